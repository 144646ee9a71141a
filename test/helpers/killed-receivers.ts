/** Kills the server's side of pushes at random points, as a host does that runs out of memory. */
import { readFileSync, readlinkSync, rmSync, statSync, utimesSync } from "node:fs";
import { percentile } from "./figures.ts";
import { listLocks } from "./fleet-evidence.ts";
import type { CommandResult, FleetSandbox } from "./fleet-sandbox.ts";
import { createRandom } from "./random.ts";
import { processesWith } from "./temp-git.ts";

/** A lock is taken for stale when it is older than a minute; the test does not wait for that. */
const STALE_MS = 61_000;

/** What was done and what was seen. */
export interface ReceiverKills {
  landed: number;
  missed: number;
  /** Kills after which the killed push was on the remote all the same, or not. */
  there: number;
  notThere: number;
  /** Kills that left locks of refs behind, and sends that said "not yet" because of them. */
  locked: number;
  notYet: number;
  /** What should not have been. */
  readonly faults: string[];
}

/** How a run goes about it. `isFolder`: the remote is a folder of this machine, so its locks are fleetd's to remove. */
export interface ReceiverKillPlan {
  readonly sandbox: FleetSandbox;
  readonly seed: number;
  readonly kills: number;
  readonly isFolder: boolean;
}

/** Sends from `a` to `b` until so many of the receivers were killed. */
export async function killReceivers(plan: ReceiverKillPlan): Promise<ReceiverKills> {
  const { sandbox, kills } = plan;
  const seen: ReceiverKills = {
    landed: 0,
    missed: 0,
    there: 0,
    notThere: 0,
    locked: 0,
    notYet: 0,
    faults: [],
  };
  const random = createRandom(plan.seed);
  const livesMs: number[] = [];
  for (let count = 0; count < 3; count += 1) livesMs.push(await liveOf(sandbox));
  for (let rounds = 0; seen.landed < kills && rounds < kills * 5; rounds += 1) {
    if (rounds % 8 === 7) livesMs.push(await liveOf(sandbox));
    await killOne(plan, seen, random() * percentile(livesMs.slice(-5), 0.5));
  }
  return seen;
}

const tipOf = ({ remote }: FleetSandbox): string => readFileSync(`${remote}/refs/fleet/log/a`, "utf8");

/** Processes that take a push for this remote: git goes into the repository, whoever starts it. */
function receivers({ remote }: FleetSandbox): number[] {
  return processesWith("receive-pack").filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === remote;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/** How long a receiver lives while nobody kills it, ms. */
async function liveOf(sandbox: FleetSandbox): Promise<number> {
  const sent = sandbox.startSend("a", { to: "b" });
  let isOver = false;
  const ended = sent.ended.then(() => {
    isOver = true;
  });
  let firstMs: number | null = null;
  let lastMs = 0;
  while (!isOver) {
    if (receivers(sandbox).length > 0) {
      lastMs = performance.now();
      firstMs ??= lastMs;
    }
    await Bun.sleep(1);
  }
  await ended;
  return lastMs - (firstMs ?? lastMs);
}

async function killOne(plan: ReceiverKillPlan, seen: ReceiverKills, delayMs: number): Promise<void> {
  const { sandbox } = plan;
  const before = tipOf(sandbox);
  const sent = sandbox.startSend("a", { to: "b", more: ["--timeout", "60"] });
  let isOver = false;
  void sent.ended.then(() => {
    isOver = true;
  });
  while (!isOver && receivers(sandbox).length === 0) await Bun.sleep(1);
  await Bun.sleep(delayMs);
  const found = isOver ? [] : receivers(sandbox);
  for (const pid of found) killPid(pid);
  const result = await sent.ended;
  const isThere = tipOf(sandbox) !== before;
  if (found.length === 0) {
    seen.missed += 1;
    return;
  }
  seen.landed += 1;
  seen[isThere ? "there" : "notThere"] += 1;
  const says = `send ended with ${result.exitCode} and it was ${isThere ? "" : "not "}there: ${result.stderr}`;
  if (result.exitCode !== 75 && !(result.exitCode === 0 && isThere)) seen.faults.push(says);
  await sendAfter(plan, seen);
}

/** It works by itself, or says truthfully that it does not while a lock is in its way. */
async function sendAfter({ sandbox, isFolder }: ReceiverKillPlan, seen: ReceiverKills): Promise<void> {
  const locks = listLocks(sandbox.remote);
  if (locks.length > 0) seen.locked += 1;
  const first = await sandbox.send("a", { to: "b" });
  if (first.exitCode === 0) return;
  if (first.exitCode !== 75 || locks.length === 0) seen.faults.push(words("the send after a kill", first));
  seen.notYet += 1;
  for (const lock of locks) {
    // The operator of another machine has to do this; on this one it is old enough a minute later.
    if (isFolder) makeOld(lock);
    else rmSync(lock, { force: true });
  }
  const second = await sandbox.send("a", { to: "b" });
  if (second.exitCode !== 0) seen.faults.push(words("the send after a lock", second));
}

const words = (what: string, { exitCode, stderr }: CommandResult): string =>
  `${what} ended with ${exitCode}: ${stderr.trim()}`;

/** Sets a file back by more than a minute. */
export function makeOld(path: string): void {
  const modified = statSync(path, { throwIfNoEntry: false });
  if (modified === undefined) return;
  const then = new Date(modified.mtimeMs - STALE_MS);
  utimesSync(path, then, then);
}

function killPid(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ESRCH: it has ended by itself.
  }
}
