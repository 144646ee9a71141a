import { FleetError } from "../base/errors.ts";

/** Ids may be shortened to this many characters; fewer would match by chance. */
const PART_MIN = 4;

/** The beginning or end of an id as typed, in lower case. @throws FleetError USAGE when it cannot be one */
export function parseIdPart(part: string): string {
  const wanted = part.toLowerCase();
  if (/^[0-9a-f-]+$/.test(wanted) && wanted.length >= PART_MIN) return wanted;
  throw new FleetError(
    "USAGE",
    `Cannot read id "${part.slice(0, 80)}": need at least ${PART_MIN} characters of 0-9, a-f and "-"`,
  );
}

/**
 * The one thing that `part` means. `nowhere` says what is wrong when there is none.
 * @throws FleetError BAD_INPUT when there is none or more than one
 */
export function requireOne<T>(matches: readonly T[], part: string, nowhere: string): T {
  const [found, second] = matches;
  if (found === undefined) throw new FleetError("BAD_INPUT", `Cannot find "${part}": ${nowhere}`);
  if (second === undefined) return found;
  throw new FleetError("BAD_INPUT", `Cannot choose "${part}": several ids start or end with it`, {
    hint: "Give more characters of the id",
  });
}
