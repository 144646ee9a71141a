import { REDACTED, redact } from "../../base/redact.ts";
import { renderValue } from "./render-value.ts";

/** Keys inside a service whose numbers are durations and sizes: a file would say them with a unit. */
const DURATIONS: ReadonlySet<string> = new Set([
  "start_timeout",
  "timeout",
  "interval",
  "delay",
  "first",
  "longest",
  "stable",
  "within",
  "slow",
  "keep",
  "debounce",
]);
const SIZES: ReadonlySet<string> = new Set(["memory", "file_size", "total"]);
/** Tables whose keys are somebody's own: what they are called says nothing about units. */
const OWN_KEYS: ReadonlySet<string> = new Set(["env", "headers"]);

/**
 * Services as they may be shown, in the words of the file: without credentials, and without what bears the name of a
 * secret. A reference (`env:NAME`, `file:PATH`) stays: it says where a secret is, not what.
 */
export function showServices(services: unknown): unknown {
  return redact(inWords(services, 0), []).value;
}

/** `depth`: the names of the services are on the first level, whatever they are called. */
function inWords(value: unknown, depth: number): unknown {
  if (!isTable(value)) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
    if (depth > 0 && OWN_KEYS.has(key)) return [key, inner];
    return [key, depth > 0 && typeof inner === "number" ? withUnit(key, inner) : inWords(inner, depth + 1)];
  });
  return Object.fromEntries(entries);
}

function withUnit(key: string, value: number): unknown {
  if (DURATIONS.has(key)) return renderValue(value, "duration");
  return SIZES.has(key) ? renderValue(value, "size") : value;
}

/**
 * Services for somebody who helps: what they are made of, and nothing that anybody wrote into them but the programs.
 * An argument, a variable or a header may be a secret under any name.
 */
export function outlineServices(services: unknown): unknown {
  return mapTables(inWords(services, 0), (key, value) => {
    if (key === "env" || key === "headers") return Object.keys(isTable(value) ? value : {});
    if (key !== "command" && key !== "exec") return undefined;
    return Array.isArray(value) ? value.map((word, index) => (index === 0 ? word : REDACTED)) : REDACTED;
  });
}

/** Every entry of every table as `change` has it; where it says nothing the entry stays, and is walked through. */
function mapTables(value: unknown, change: (key: string, value: unknown) => unknown): unknown {
  if (!isTable(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, change(key, inner) ?? mapTables(inner, change)]),
  );
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
