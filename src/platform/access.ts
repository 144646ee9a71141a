import { accessSync, constants, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { formatMode } from "./file-mode.ts";
import { hasCode, isDenied } from "./io-error.ts";

/** Why a file may not be used by this user, and what to do about it. */
export interface AccessProblem {
  readonly evidence: string;
  readonly fix: string;
  /** Whether it can be read: only the disk is in the way. */
  readonly isReadable: boolean;
}

const { R_OK, W_OK, X_OK } = constants;

/**
 * What keeps this user from reading and writing the file at `path`, its folder, or what a database has beside it; null
 * where nothing does. That is somebody's decision, or the disk's, and no damage.
 */
export function findAccessProblem(path: string): AccessProblem | null {
  const folder = dirname(path);
  const files = [path, `${path}-wal`, `${path}-shm`];
  return (
    problemOf(folder, R_OK | W_OK | X_OK, folder) ??
    files.map((file) => problemOf(file, R_OK | W_OK, folder)).find((one) => one !== null) ??
    null
  );
}

function problemOf(path: string, mode: number, folder: string): AccessProblem | null {
  try {
    accessSync(path, mode);
    return null;
  } catch (thrown) {
    if (hasCode(thrown, "EROFS")) {
      const fix = `Mount it for writing again (findmnt -T "${folder}" shows what it is); after an error of the disk dmesg says why it is not`;
      return { evidence: `${path} is on a file system that may only be read`, fix, isReadable: true };
    }
    if (!isDenied(thrown)) return null;
    const evidence = `permission denied for ${path}: ${whyDenied(path)}`;
    return { evidence, fix: fixOf(path, folder), isReadable: false };
  }
}

function ownerOf(path: string): { readonly uid: number; readonly mode: number } | null {
  try {
    const { uid, mode } = lstatSync(path);
    return { uid, mode: mode & 0o777 };
  } catch {
    // A folder above it is closed as well.
    return null;
  }
}

function whyDenied(path: string): string {
  const [found, own] = [ownerOf(path), process.getuid?.()];
  if (found === null) return "a folder above it is closed to this user";
  if (found.uid !== own) return `it belongs to user ${found.uid}, and this is user ${own ?? "unknown"}`;
  return `it has mode ${formatMode(found.mode)}`;
}

function fixOf(path: string, folder: string): string {
  const isOwn = ownerOf(path)?.uid === process.getuid?.();
  if (isOwn) return `chmod -R u+rwX "${folder}"`;
  return `Run fleetd as the user it belongs to, or as root: chown -R USER "${folder}"`;
}
