import { writeFileSync } from "node:fs";
import { causedBy, messageOf } from "../base/errors.ts";

/**
 * Writes a gzipped tar file of `files` (path to text) for this user alone.
 * @throws FleetError CANNOT_CREATE when there is a file at `path` already, or it cannot be written
 */
export async function writeArchive(path: string, files: Readonly<Record<string, string>>): Promise<number> {
  const bytes = await new Bun.Archive({ ...files }, { compress: "gzip" }).bytes();
  try {
    writeFileSync(path, bytes, { flag: "wx", mode: 0o600 });
    return bytes.length;
  } catch (thrown) {
    throw causedBy("CANNOT_CREATE", `Cannot create "${path}": ${messageOf(thrown)}`, thrown);
  }
}
