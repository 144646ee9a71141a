import { lstatSync, rmSync } from "node:fs";
import { FleetError } from "../base/errors.ts";

/**
 * Removes the socket that a daemon left behind. The caller holds the daemon's lock, so nobody listens on it.
 * @throws FleetError IO when something else stands in its place
 */
export function clearSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new FleetError("IO", `Cannot listen on "${path}": something else is there`);
  rmSync(path, { force: true });
}
