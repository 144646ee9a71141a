import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where Linux keeps files in memory. */
const SHARED_MEMORY = "/dev/shm";

/** Has to be free, of the folder and of the memory: many times what the tests were seen to use at once. */
const LEAST_FREE_BYTES = 3 * 1024 ** 3;

/** A folder whose files are in memory. */
export interface MemoryFolder {
  readonly path: string;
  /** Takes it away with all that is in it. */
  remove(): void;
}

/** Makes a folder in memory for what tests write; null where there is none that is large enough and runs programs. */
export function openMemoryFolder(
  parent = SHARED_MEMORY,
  leastFreeBytes = LEAST_FREE_BYTES,
): MemoryFolder | null {
  try {
    const { bavail, bsize } = statfsSync(parent);
    if (Math.min(bavail * bsize, availableMemoryBytes()) < leastFreeBytes) return null;
    // A short name: paths of sockets have little room.
    const path = mkdtempSync(join(parent, "ok-"));
    if (runsPrograms(path)) return { path, remove: () => removeFolder(path) };
    removeFolder(path);
    return null;
  } catch {
    // Another system, or nothing that this user may write to: the usual folder does, only slower.
    return null;
  }
}

/** Containers often mount it so that nothing in it is run. */
function runsPrograms(folder: string): boolean {
  // As /tmp: some tests run fleetd as another user.
  chmodSync(folder, 0o1777);
  const program = join(folder, "program");
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  try {
    return Bun.spawnSync([program]).exitCode === 0;
  } catch {
    // EACCES
    return false;
  } finally {
    rmSync(program);
  }
}

function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (thrown) {
    // No verdict about what was tested: something still uses it.
    console.error(`Cannot remove folder "${path}": ${String(thrown)}`);
  }
}

const availableMemoryBytes = (): number =>
  Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * 1024;
