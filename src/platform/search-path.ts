import { delimiter, isAbsolute } from "node:path";

/**
 * A PATH without its relative and empty parts: they name the folder one stands in, and a `git` in somebody else's
 * folder would be run for ours.
 */
export const absoluteParts = (path: string): string =>
  path
    .split(delimiter)
    .filter((part) => isAbsolute(part))
    .join(delimiter);

/** Windows looks for programs in the current folder first, unless a process says that it does not want that. */
export function leaveOutCurrentFolder(): void {
  if (process.platform === "win32") process.env["NoDefaultCurrentDirectoryInExePath"] = "1";
}
