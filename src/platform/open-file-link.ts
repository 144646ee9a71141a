import { readlinkSync } from "node:fs";
import { hasCode } from "./io-error.ts";

/** What an entry of `/proc/PID/fd` stands for; null when the file was closed since the entries were listed. */
export function openFileLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return null;
    throw thrown;
  }
}
