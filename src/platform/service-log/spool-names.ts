import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { placePath } from "./place-file.ts";

const PREFIX = "spool-";
const PLACE_SUFFIX = placePath("");

/** The path of the spool of one start of a program, in the folder of its log. */
export const spoolPath = (folder: string, run: string): string => join(folder, PREFIX + run);

/** The spools in a folder; none where it is missing. */
export const spoolsIn = (folder: string): readonly string[] =>
  namesIn(folder)
    .filter((name) => !name.endsWith(PLACE_SUFFIX))
    .map((name) => join(folder, name));

/** Removes the notes of spools that are gone: whoever removed the spool died before it came to the note. */
export function removeLoneNotes(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (name.endsWith(PLACE_SUFFIX) && !existsSync(path.slice(0, -PLACE_SUFFIX.length))) rmSync(path);
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(PREFIX));
  } catch {
    // No folder yet: nothing was started.
    return [];
  }
}
