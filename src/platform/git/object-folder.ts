import { mkdirSync } from "node:fs";
import { hasCode } from "../io-error.ts";

/** Chosen: in thousands of sends beside a `git prune` without a pause once was never followed by a second time. */
const ATTEMPTS = 5;

/**
 * Writes into a folder of a store's objects, made when it is missing. Somebody's `git prune` takes away a folder that is
 * empty for the moment, and what looks half-written, at any time: then `write` is called again, from its beginning.
 * @throws what `write` throws, and ENOENT only when it came each time
 */
export function inObjectFolder<T>(folder: string, write: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return write();
    } catch (thrown) {
      if (attempt === ATTEMPTS || !hasCode(thrown, "ENOENT")) throw thrown;
    }
  }
}
