import { isAbsolute } from "node:path";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import { readFileUpTo } from "./files.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `env:NAME`, or `file:PATH` with an absolute path; `file://` is a URL. */
const REFERENCE = /^(?:env:(?<name>[A-Za-z_][A-Za-z0-9_]*)|file:(?!\/\/)(?<path>.+))$/s;

/** An address with a token in it is far shorter; a device would never end. */
const BYTES_MAX = 64 * 1024;

/** Whether a value only says where the value is, so that it may be shown. */
export const isReference = (value: string): boolean => REFERENCE.test(value);

/**
 * The value itself: what a reference points at, without a line end; anything else as it is. `read`: how a file is read by
 * who must not wait for somebody to write it. @throws FleetError CONFIG
 */
export function resolveReference(value: string, environment: Environment, read = readFileUpTo): string {
  const { name, path } = REFERENCE.exec(value)?.groups ?? {};
  if (name !== undefined) {
    const found = environment[name];
    if (found !== undefined && found !== "") return found;
    throw new FleetError("CONFIG", `Cannot use "${value}": the variable "${name}" is not set`);
  }
  if (path === undefined) return value;
  if (!isAbsolute(path)) throw new FleetError("CONFIG", `Cannot use "${value}": need an absolute path`);
  try {
    return new TextDecoder().decode(read(path, BYTES_MAX)).replace(/\r?\n$/, "");
  } catch (thrown) {
    throw causedBy("CONFIG", `Cannot use "${value}": ${messageOf(thrown)}`, thrown);
  }
}
