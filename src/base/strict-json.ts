import { fail, ok, type Result } from "./result.ts";

/**
 * Parses JSON from a stranger: nesting deeper than `depthMax`, duplicate keys and a key `__proto__` are refused,
 * since two readers could take such a text for two different things.
 */
export function parseStrictJson(text: string, depthMax: number): Result<unknown> {
  const scan = scanKeys(text, depthMax);
  if (scan === null) return fail(`nested deeper than ${depthMax}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail("not JSON");
  }
  const distinct = countKeys(value);
  if (distinct === null) return fail('a key is "__proto__"');
  if (distinct !== scan) return fail("an object has the same key twice");
  return ok(value);
}

/** How many keys the objects of a JSON text write down, or null when it nests too deep. Only right for valid JSON. */
function scanKeys(text: string, depthMax: number): number | null {
  let depth = 0;
  let keys = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x22) {
      index = endOfString(text, index);
      if (nextIsColon(text, index + 1)) keys += 1;
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > depthMax) return null;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
  return keys;
}

/** The index of the quote that closes the string opened at `open`, or the last index when none does. */
function endOfString(text: string, open: number): number {
  let end = text.indexOf('"', open + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length - 1 : end;
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(index - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

function nextIsColon(text: string, from: number): boolean {
  let index = from;
  while (isSpace(text.charCodeAt(index))) index += 1;
  return text.charCodeAt(index) === 0x3a;
}

/** What JSON takes for white space: space, tab, LF, CR. */
const isSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/** How many keys a parsed value has in all its objects, or null when one of them is `__proto__`. */
function countKeys(value: unknown): number | null {
  if (typeof value !== "object" || value === null) return 0;
  const ownKeys = Object.keys(value);
  let total = Array.isArray(value) ? 0 : ownKeys.length;
  for (const key of ownKeys) {
    if (key === "__proto__") return null;
    // Most values are text or numbers: asked here, they cost no call.
    const child = (value as Record<string, unknown>)[key];
    if (typeof child !== "object") continue;
    const below = countKeys(child);
    if (below === null) return null;
    total += below;
  }
  return total;
}
