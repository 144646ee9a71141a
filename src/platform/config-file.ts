import { closeSync, fstatSync, openSync, type Stats } from "node:fs";
import { causedBy, FleetError, isMachineBroken, messageOf } from "../base/errors.ts";
import { readUpTo } from "./files.ts";
import { hasCode } from "./io-error.ts";

/** A YAML file that was read; `lineOf` finds a key's line (from 1) when something is wrong with it. */
export interface ConfigFile {
  readonly path: string;
  readonly value: unknown;
  lineOf(path: readonly string[]): Promise<number | null>;
}

/** Nobody writes that much by hand; what is larger is not a configuration. */
const BYTES_MAX = 1024 ** 2;
const OTHERS_MAY_WRITE = 0o002;

/** Reads the YAML file at `path`; null when there is none. @throws FleetError CONFIG with the line where it has one, IO */
export async function readConfigFile(path: string): Promise<ConfigFile | null> {
  const text = readText(path);
  if (text === null) return null;
  let value: unknown;
  try {
    value = Bun.YAML.parse(text);
  } catch (thrown) {
    const detail = (await firstProblem(text)) ?? messageOf(thrown).replace(/^YAML Parse error: /, "");
    throw causedBy("CONFIG", `Cannot read configuration "${path}": ${detail}, need YAML`, thrown);
  }
  if (mayHideKeys(text, value)) {
    const problem = await firstProblem(text);
    if (problem !== null) throw new FleetError("CONFIG", `Cannot read configuration "${path}": ${problem}`);
  }
  return { path, value, lineOf: (keys) => lineOfKey(text, keys) };
}

/** The text of the file; null when there is none. */
function readText(path: string): string | null {
  const bytes = readBytes(path);
  if (bytes === null) return null;
  if (bytes.length > BYTES_MAX) throw cannotRead(path, "it is over 1 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw causedBy("CONFIG", `Cannot read configuration "${path}": it is not UTF-8 text`, thrown);
  }
}

function readBytes(path: string): Uint8Array | null {
  let file: number | null = null;
  try {
    file = openSync(path, "r");
    const stat = fstatSync(file);
    if (isOpenToAll(stat)) {
      const problem = "everybody may write to it, and it can name commands";
      throw cannotRead(path, problem, `Run: chmod o-w '${path}'`);
    }
    // One byte more than allowed is enough to know.
    return readUpTo(file, BYTES_MAX + 1);
  } catch (thrown) {
    if (thrown instanceof FleetError) throw thrown;
    if (hasCode(thrown, "ENOENT", "ENOTDIR")) return null;
    const problem = hasCode(thrown, "EISDIR") ? "it is a folder, need a file" : messageOf(thrown);
    const kind = isMachineBroken(thrown) ? "IO" : "CONFIG";
    throw causedBy(kind, `Cannot read configuration "${path}": ${problem}`, thrown);
  } finally {
    if (file !== null) closeSync(file);
  }
}

const cannotRead = (path: string, problem: string, hint?: string): FleetError =>
  new FleetError(
    "CONFIG",
    `Cannot read configuration "${path}": ${problem}`,
    hint === undefined ? {} : { hint },
  );

/** Devices are open to all and harmless: `--config /dev/null` is how to say "none". Windows has no such bit. */
const isOpenToAll = (stat: Stats): boolean =>
  process.platform !== "win32" && stat.isFile() && (stat.mode & OTHERS_MAY_WRITE) !== 0;

/**
 * Bun's parser is fast and takes the last of two keys without a word. Each key that is written stands on a line of its
 * own, unless the file has flow tables or the like; where fewer keys came out than such lines are there, the exact
 * parser (6 ms to load) has to look.
 */
function mayHideKeys(text: string, value: unknown): boolean {
  if (Array.isArray(value) || /[{&*?]/.test(text)) return true;
  const lines = text.split(/\r\n?|\n/).filter((line) => !/^\s*#/.test(line) && /:(?:\s|$)/.test(line));
  return lines.length > countKeys(value, new Set());
}

function countKeys(value: unknown, seen: Set<object>): number {
  if (typeof value !== "object" || value === null || seen.has(value)) return 0;
  seen.add(value);
  const inner = Object.values(value).reduce((sum: number, one) => sum + countKeys(one, seen), 0);
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

/** What the exact parser says first, with its line; null when it finds nothing. */
async function firstProblem(text: string): Promise<string | null> {
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const [error] = parseDocument(text, { lineCounter: lines, prettyErrors: false }).errors;
  if (error === undefined) return null;
  const words = { DUPLICATE_KEY: duplicate, MULTIPLE_DOCS: () => "a second document begins" } as const;
  const say = Object.hasOwn(words, error.code) ? words[error.code as keyof typeof words] : null;
  return `line ${lines.linePos(error.pos[0]).line}: ${say?.(text.slice(error.pos[0])) ?? error.message}`;
}

const duplicate = (rest: string): string =>
  `the key "${/^[^:\r\n]{0,80}/.exec(rest)?.[0].trim() ?? ""}" is there twice`;

/** Bun's parser knows no positions; the one that does is asked only for an error message, or where a value came from. */
async function lineOfKey(text: string, path: readonly string[]): Promise<number | null> {
  const { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  let node: unknown = parseDocument(text, { lineCounter: lines }).contents;
  let offset: number | null = null;
  for (const key of path) {
    if (isSeq(node)) {
      const item: unknown = node.items[Number(key)];
      if (!isNode(item)) break;
      offset = item.range?.[0] ?? offset;
      node = item;
      continue;
    }
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    if (pair === undefined) break;
    offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
    node = pair.value;
  }
  return offset === null ? null : lines.linePos(offset).line;
}
