import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync, unlinkSync } from "node:fs";
import { hasCode, ioError } from "../io-error.ts";
import { openFileLink } from "../open-file-link.ts";
import { type LiveProcess, liveProcesses } from "../processes/linux-table.ts";

/** A push takes seconds; chosen, not measured. */
const STALE_AFTER_MS = 60_000;

/**
 * What was found at `<ref>.lock`, for the caller to report.
 * - `none`: no lock
 * - `young`: not older than 60 s by the wall clock
 * - `in-use`: a live process has it open, or a live git works in the repository
 * - `unknown`: this system does not tell who uses it, so it was left alone
 * - `removed`: it was left behind, and is gone
 */
export interface RefLockFinding {
  readonly path: string;
  readonly outcome: "none" | "young" | "in-use" | "unknown" | "removed";
  readonly ageMs: number;
}

/**
 * Removes the lock that a killed `git receive-pack` left on `ref` in the file remote `folder`, if it is older than 60 s
 * and no live process can be its owner. Meant for refs that only this server pushes; no other lock is ever touched.
 * @throws FleetError IO when the lock cannot be examined or removed
 */
export function removeStaleRefLock(folder: string, ref: string, nowWallMs: number): RefLockFinding {
  const path = `${folder}/${ref}.lock`;
  try {
    const modifiedWallMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (modifiedWallMs === undefined) return { path, outcome: "none", ageMs: 0 };
    const ageMs = nowWallMs - modifiedWallMs;
    if (ageMs <= STALE_AFTER_MS) return { path, outcome: "young", ageMs };
    const use = process.platform === "linux" ? useOf(realpathSync(path), realpathSync(folder)) : "unknown";
    if (use !== "unused") return { path, outcome: use, ageMs };
    unlinkSync(path);
    return { path, outcome: "removed", ageMs };
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return { path, outcome: "none", ageMs: 0 };
    throw ioError(`Cannot examine the lock "${path}"`, thrown);
  }
}

/**
 * Removes a lock that a killed process left in the private repository `folder`; false when somebody may be holding it.
 * Only git and this program write there, and this program keeps its locks open. So where the system tells who has a
 * file open, a lock that no live process can be holding goes at once, elsewhere when it is older than 60 s.
 * @throws FleetError IO when the lock cannot be examined or removed
 */
export function removeAbandonedLock(folder: string, path: string, nowWallMs: number): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return false;
    const isAbandoned =
      process.platform === "linux"
        ? useOf(realpathSync(path), realpathSync(folder)) === "unused"
        : nowWallMs - found.mtimeMs > STALE_AFTER_MS;
    // Another file by now: the lock was released and taken again while we looked.
    if (!isAbandoned || statSync(path, { throwIfNoEntry: false })?.ino !== found.ino) return false;
    unlinkSync(path);
    return true;
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return false;
    throw ioError(`Cannot examine the lock "${path}"`, thrown);
  }
}

/**
 * Looks through all processes. git closes the lock file before it renames it, so a git that works in the repository
 * counts as well. What hides its files (other users, PID 1 of a container) cannot be a push of ours, unless it is a
 * git of our own user.
 */
function useOf(lockPath: string, folder: string): "in-use" | "unused" | "unknown" {
  let unknown = false;
  for (const live of liveProcesses()) {
    const use = useByProcess(live, lockPath, folder);
    if (use === "in-use") return "in-use";
    unknown ||= use === "unknown";
  }
  return unknown ? "unknown" : "unused";
}

function useByProcess(live: LiveProcess, lockPath: string, folder: string): "in-use" | "unused" | "unknown" {
  const proc = `/proc/${live.pid}`;
  try {
    if (live.name.startsWith("git") && readlinkSync(`${proc}/cwd`) === folder && !onlyReads(proc))
      return "in-use";
    const files = readdirSync(`${proc}/fd`).map((name) => openFileLink(`${proc}/fd/${name}`));
    return files.includes(lockPath) ? "in-use" : "unused";
  } catch (thrown) {
    // Gone meanwhile.
    if (hasCode(thrown, "ENOENT", "ESRCH")) return "unused";
    if (!hasCode(thrown, "EACCES", "EPERM")) throw thrown;
    const isOurs = statSync(proc, { throwIfNoEntry: false })?.uid === process.getuid?.();
    return isOurs && live.name.startsWith("git") ? "unknown" : "unused";
  }
}

/** Our own reader stays in the private repository for as long as a daemon runs, and never takes a lock. */
const onlyReads = (proc: string): boolean =>
  readFileSync(`${proc}/cmdline`, "latin1").split("\0").includes("cat-file");
