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

/** Whether the system refused because of whose something is, or of who may do what with it. */
export const isDenied = (thrown: unknown): boolean => hasCode(thrown, "EACCES", "EPERM");

/** What to do where fleetd was started as another user than before, or somebody changed the rights. */
export const OWNER_HINT =
  "It has to belong to the user who runs fleetd: run fleetd as that user, or give it to this one (chown -R)";

/** A FleetError IO (exit code 74) for what this user may not do. */
export const deniedError = (message: string, thrown: unknown): FleetError =>
  causedBy("IO", `${message}: permission denied`, thrown, OWNER_HINT);
