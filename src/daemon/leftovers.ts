import { join } from "node:path";
import { listFolder } from "../platform/files.ts";
import { isAlive } from "../platform/is-alive.ts";

/** What is being made bears the id of the process that makes it. */
const UNFINISHED = /^(?:\.new-.+|remote\.git\.new|fleet\.git\.new|\.again|\.audit)-(\d+)$|\.(\d+)\.new$/;

/**
 * What a process that was killed left half-made in `folder`. In a container every process may have the same id, ours
 * as well, so what bears our own id is somebody's of an earlier life.
 */
export function findLeftovers(folder: string): string[] {
  return listFolder(folder)
    .filter((name) => {
      const match = UNFINISHED.exec(name);
      const pid = Number(match?.[1] ?? match?.[2] ?? Number.NaN);
      return pid === process.pid || (Number.isSafeInteger(pid) && !isAlive(pid));
    })
    .map((name) => join(folder, name));
}
