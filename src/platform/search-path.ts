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
