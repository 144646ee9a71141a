import { chmodSync, lstatSync, rmSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { FleetError } from "../base/errors.ts";
import { makePrivateFolder } from "./files.ts";
import { isDenied } from "./io-error.ts";

/** Windows shows a socket as a reparse point and has no owner ids; its folder is the user's own. */
const HAS_OWNERS = process.platform !== "win32";

/**
 * Makes the folder of a socket, and makes sure that nobody else made it first: a path that is too long is replaced by a
 * short one in the temporary directory, where others may write.
 * @throws FleetError NOT_AUTHORISED when the folder is somebody else's or others may enter it
 */
export function makeSocketFolder(path: string): void {
  const folder = dirname(path);
  makePrivateFolder(folder);
  const found = lstatSync(folder);
  if (!HAS_OWNERS || (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0))
    return;
  throw new FleetError(
    "NOT_AUTHORISED",
    `Cannot listen in "${folder}": need a folder of this user alone (mode 0700)`,
  );
}

/** Lets only this user open the socket that was just made; its folder keeps others out until then. */
export function protectSocket(path: string): void {
  if (HAS_OWNERS) chmodSync(path, 0o600);
}

/** Whether a socket of this user is at `path`; one of somebody else could be a trap. */
export function isOwnSocket(path: string): boolean {
  const found = look(path);
  if (found === undefined) return false;
  return !HAS_OWNERS || (found.isSocket() && found.uid === process.getuid?.());
}

/** Tells the socket of this user at `path` from the one of another daemon; null when there is none. */
export function socketStamp(path: string): string | null {
  const found = isOwnSocket(path) ? look(path) : undefined;
  return found === undefined ? null : `${found.ino}:${found.ctimeMs}`;
}

/** What is at `path`; nothing where this user may not even look. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (thrown) {
    if (isDenied(thrown)) return undefined;
    throw thrown;
  }
}

/**
 * Removes the socket that a daemon left behind. The caller holds the daemon's lock, so nobody listens on it.
 * @throws FleetError IO when something else stands in its place
 */
export function clearSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (HAS_OWNERS && !found.isSocket()) {
    throw new FleetError("IO", `Cannot listen on "${path}": something else is there`);
  }
  rmSync(path, { force: true });
}
