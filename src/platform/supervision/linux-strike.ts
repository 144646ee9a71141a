/**
 * Finds what a look at all processes misses: who forks and ends at once is gone before it is read. Only ids tell of it: the
 * system gives them away in a row, and begins anew after the highest.
 */
import { newestPid, readFileOrNull } from "../processes/linux-table.ts";
import { pidsNewestFirst } from "./linux-processes.ts";

/** Kills the process with this id if it is meant; whether it was there. */
export type Strike = (pid: number) => boolean;

/** What came of it: nobody is left, somebody was there, or it is not known. */
export type Settled = "complete" | "hit" | "unknown";

/** More ids than that are not looked into: a look at all processes costs less. Chosen: some 20 ms of work. */
const IDS_MAX = 1_000;
/** How often it is gone on with where somebody forks all the time. Chosen, not measured: each time takes far below 1 ms. */
const ROUNDS_MAX = 100;
/** So many ids that were given away just before may be of forks that were not over. Chosen: above the forks that run at one time. */
const IN_FLIGHT = 16;
/** Where the highest id is not told: the most that Linux gives away. */
const ID_MAX = 2 ** 22;

/**
 * Strikes at whatever was started since `newest` was the newest id, in the order it was, until nothing is started
 * meanwhile: parents before children, so that one of them is met. Where that never ends, at everybody, newest first.
 */
export function strikeSince(newest: string, strike: Strike): Settled {
  const inFlight = Array.from({ length: IN_FLIGHT }, (_, index) => Number(newest) - IN_FLIGHT + index + 1);
  if (strikeEach(inFlight, strike)) return "hit";
  let last = newest;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const now = newestPid();
    if (now === last) return "complete";
    const ids = idsBetween(Number(last), Number(now), idLimit());
    if (ids === null) break;
    if (strikeEach(ids, strike)) return "hit";
    last = now;
  }
  return strikeEach(pidsNewestFirst(), strike) ? "hit" : "unknown";
}

function strikeEach(pids: readonly number[], strike: Strike): boolean {
  let isHit = false;
  for (const pid of pids) isHit = strike(pid) || isHit;
  return isHit;
}

/** The ids after `last` up to `now`, as they are given away below `limit`; null where they are too many, or not told. */
export function idsBetween(last: number, now: number, limit: number): readonly number[] | null {
  const count = now >= last ? now - last : limit - last + now;
  if (!(last > 0 && now > 0 && count <= IDS_MAX)) return null;
  return Array.from({ length: count }, (_, index) =>
    last + index + 1 < limit ? last + index + 1 : last + index + 1 - limit,
  );
}

/** The first id that is never given away. */
function idLimit(): number {
  const limit = Number(readFileOrNull("/proc/sys/kernel/pid_max")?.toString("latin1") ?? "");
  return limit > 0 ? limit : ID_MAX;
}
