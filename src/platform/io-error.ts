import { causedBy, FleetError, messageOf } from "../base/errors.ts";

/** A FleetError IO (exit code 74) caused by `thrown`, in whose own words the message ends. */
export const ioError = (message: string, thrown: unknown): FleetError =>
  causedBy("IO", `${message}: ${messageOf(thrown)}`, thrown);

/** A FleetError CANNOT_CREATE (exit code 73) caused by `thrown`. */
export const creationError = (message: string, thrown: unknown): FleetError =>
  new FleetError("CANNOT_CREATE", message, { cause: thrown });

/** Whether a thrown value is a system error with one of these codes ("ENOENT"). */
export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && "code" in thrown && codes.includes(String(thrown.code));
}
