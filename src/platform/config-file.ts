import { readFileSync } from "node:fs";
import { causedBy, messageOf } from "../base/errors.ts";

/** A YAML file that was read; `lineOf` finds a key's line (from 1) when something is wrong with it. */
export interface ConfigFile {
  readonly path: string;
  readonly value: unknown;
  lineOf(path: readonly string[]): Promise<number | null>;
}

/** Reads the YAML file at `path`; null when there is none. @throws FleetError CONFIG when it is no YAML, IO when unreadable */
export function readConfigFile(path: string): ConfigFile | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw causedBy("IO", `Cannot read configuration "${path}": ${messageOf(thrown)}`, thrown);
  }
  try {
    return { path, value: Bun.YAML.parse(text), lineOf: (keys) => lineOfKey(text, keys) };
  } catch (thrown) {
    throw causedBy("CONFIG", `Cannot read configuration "${path}": ${messageOf(thrown)}, need YAML`, thrown);
  }
}

/** Bun's parser is fast and knows no positions; the one that does (6 ms to load) is asked only for an error message. */
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
