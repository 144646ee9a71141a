import { statfsSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import type { DiskSpace } from "../base/ports/machine.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** The room on the file system that `path` is on, as a user without special rights may use it. */
export function readDiskSpace(path: string): Result<DiskSpace> {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return ok({ freeBytes: bavail * bsize, totalBytes: blocks * bsize });
  } catch (thrown) {
    return fail(`Cannot ask for the space at "${path}": ${messageOf(thrown)}`);
  }
}
