/**
 * From what is known of a server to how it is: one function per check, each handed its fact and the thresholds.
 * Nothing here looks at anything; a fact that could not be found out is `unknown` with the reason as evidence.
 */
import { formatDuration } from "../../base/duration.ts";
import { firstLineOf } from "../../base/errors.ts";
import type { DiskSpace, MemorySpace } from "../../base/ports/machine.ts";
import type { Result } from "../../base/result.ts";
import { formatSize } from "../../base/size.ts";
import type { ServerSettings } from "../settings/model.ts";
import { judgeClock } from "./judge-clock.ts";
import { judgeServices } from "./judge-services.ts";
import {
  type BreakerFacts,
  type Check,
  type CheckId,
  type HealthFacts,
  type HealthReport,
  type MonitorFacts,
  type OwnRefsFact,
  type QueueFacts,
  type RemoteFacts,
  type StoreFacts,
  type Verdict,
  worstOf,
} from "./model.ts";

/** The limits of every check, as the settings have them. */
export type HealthThresholds = ServerSettings["health"];

type Judged = Omit<Check, "id">;

/** Judges everything that is known at `nowWallMs`. */
export function judgeHealth(
  facts: HealthFacts,
  thresholds: HealthThresholds,
  nowWallMs: number,
): HealthReport {
  const { breaker, services } = facts;
  const checks: Check[] = [
    judged("monitor", facts.monitor, (monitor) => judgeMonitor(monitor, nowWallMs)),
    judged("remote", facts.remote, (remote) =>
      judgeRemote({ ...remote, isGivenUp: breaker?.state === "open" }, thresholds, nowWallMs),
    ),
    ...(breaker === null ? [] : [{ id: "breaker" as const, ...judgeBreaker(breaker, nowWallMs) }]),
    judged("queue", facts.queue, (queue) => judgeQueue(queue, thresholds, nowWallMs)),
    judged("own-refs", facts.ownRefs, judgeOwnRefs),
    ...(services === null ? [] : [{ id: "services" as const, ...judgeServices(services) }]),
    { id: "state", ...judgeState(facts) },
    judged("key", facts.key, judgeKey),
    judged("store", facts.store, judgeStore),
    { id: "git", ...judgeGit(facts.git) },
    judged("disk", facts.disk, (disk) => judgeDisk(disk, thresholds)),
    judged("memory", facts.memory, (memory) => judgeMemory(memory, thresholds)),
    judged("clock", facts.clock, (clock) => judgeClock(clock, nowWallMs)),
  ];
  return { verdict: worstOf(checks.map((one) => one.verdict)), judgedWallMs: nowWallMs, checks };
}

function judged<T>(id: CheckId, fact: Result<T>, judge: (value: T) => Judged): Check {
  if (fact.ok) return { id, ...judge(fact.value) };
  return {
    id,
    verdict: "unknown",
    figure: "unknown",
    threshold: "",
    evidence: `${id} unknown: ${firstLineOf(fact.error)}`,
    fix: "fleetd doctor",
  };
}

const fine = (figure: string, evidence: string, threshold = ""): Judged => ({
  verdict: "ok",
  figure,
  threshold,
  evidence,
  fix: null,
});

function judgeMonitor(monitor: MonitorFacts | null, nowWallMs: number): Judged {
  const threshold = "must run";
  if (monitor === null) {
    const evidence = "no monitor is running: nothing is received or answered";
    return { verdict: "warn", figure: "not running", threshold, evidence, fix: "fleetd monitor" };
  }
  const pid = monitor.pid === null ? "pid unknown" : `pid ${monitor.pid}`;
  if (!monitor.answers) {
    const evidence = `the monitor (${pid}) runs and does not answer`;
    const fix = monitor.pid === null ? "fleetd doctor" : `kill ${monitor.pid}, then fleetd monitor`;
    return { verdict: "critical", figure: "stuck", threshold, evidence, fix };
  }
  const since =
    monitor.startedWallMs === null
      ? ""
      : `, up ${formatDuration(Math.max(0, nowWallMs - monitor.startedWallMs))}`;
  return fine("running", `${pid}${since}, version ${monitor.version}`, threshold);
}

/** `isGivenUp`: its breaker is open; what is wrong with the remote is then the news, and the breaker only a consequence. */
function judgeRemote(
  remote: RemoteFacts & { readonly isGivenUp: boolean },
  thresholds: HealthThresholds,
  nowWallMs: number,
): Judged {
  const threshold = `${formatDuration(thresholds.remote_warn)} / ${formatDuration(thresholds.remote_critical)}`;
  const fetched = remote.lastFetchWallMs;
  const ageMs = Math.max(0, nowWallMs - (fetched ?? remote.sinceWallMs));
  const age = formatDuration(ageMs);
  if (remote.lookedAt === "not") {
    const last = fetched === null ? "never" : `${age} ago`;
    const evidence = `nobody looks at the remote while no monitor runs, last time ${last}`;
    return { verdict: "unknown", figure: last, threshold, evidence, fix: "fleetd monitor" };
  }
  const pushed =
    remote.lastPushWallMs === null
      ? "never"
      : `${formatDuration(Math.max(0, nowWallMs - remote.lastPushWallMs))} ago`;
  const figure = fetched === null ? "never seen" : `${age} ago`;
  const isLate = ageMs >= thresholds.remote_warn;
  if (remote.trouble === null && !isLate) {
    return fine(figure, `${remote.url}: last good fetch ${figure}, push ${pushed}`, threshold);
  }
  const isCritical = remote.isGivenUp || ageMs >= thresholds.remote_critical;
  const verdict: Verdict = isCritical ? "critical" : "warn";
  const why = remote.trouble === null ? "nothing was heard of it" : firstLineOf(remote.trouble);
  const since = isLate || remote.isGivenUp || fetched === null ? ` for ${age}` : "";
  const evidence = `remote in trouble${since}: ${why}`;
  return { verdict, figure, threshold, evidence, fix: "fleetd doctor" };
}

function judgeBreaker(breaker: BreakerFacts, nowWallMs: number): Judged {
  const threshold = "must be closed";
  if (breaker.state === "closed") return fine("closed", "calls to the remote are let through", threshold);
  const leftMs = breaker.untilWallMs === null ? null : Math.max(0, breaker.untilWallMs - nowWallMs);
  const again = leftMs === null ? "" : `, at the latest in ${formatDuration(leftMs)}`;
  const fix = "fleetd doctor";
  if (breaker.state === "open") {
    const evidence = `the breaker is open: tried again as soon as the network answers anew${again}`;
    return { verdict: "critical", figure: "open", threshold, evidence, fix };
  }
  const evidence = "the breaker is half open: the remote is being tried";
  return { verdict: "warn", figure: "half open", threshold, evidence, fix };
}

function judgeQueue(queue: QueueFacts, thresholds: HealthThresholds, nowWallMs: number): Judged {
  const threshold = `${formatDuration(thresholds.queue_warn)}, none dead`;
  const waiting = queue.waiting === 1 ? "1 message waits" : `${queue.waiting} messages wait`;
  const ageMs = queue.oldestWallMs === null ? 0 : Math.max(0, nowWallMs - queue.oldestWallMs);
  const age = queue.waiting === 0 ? "" : `, the oldest for ${formatDuration(ageMs)}`;
  const figure = queue.dead > 0 ? `${queue.dead} dead, ${queue.waiting} waiting` : `${queue.waiting} waiting`;
  if (queue.dead > 0) {
    const dead = queue.dead === 1 ? "1 message is dead" : `${queue.dead} messages are dead`;
    const why = queue.reason === null ? "" : `: ${firstLineOf(queue.reason)}`;
    const evidence = `${dead}, refused by the remote${why}`;
    return {
      verdict: "warn",
      figure,
      threshold,
      evidence,
      fix: "fleetd queue list, then fleetd queue retry",
    };
  }
  if (queue.waiting > 0 && ageMs >= thresholds.queue_warn) {
    const evidence = `${waiting} to be sent${age}`;
    return { verdict: "warn", figure, threshold, evidence, fix: "fleetd doctor" };
  }
  return fine(figure, queue.waiting === 0 ? "nothing waits to be sent" : `${waiting}${age}`, threshold);
}

function judgeOwnRefs(troubles: readonly OwnRefsFact[]): Judged {
  const threshold = "nobody else's";
  const [first] = troubles;
  if (first === undefined) return fine("ours alone", "nobody else writes the refs of this server", threshold);
  const { held, kind, fix } = first;
  const more = troubles.length === 1 ? "" : `; and ${troubles.length - 1} more`;
  const evidence = `${held ? "held: " : ""}${firstLineOf(first.detail)}${more}`;
  return { verdict: held ? "critical" : "warn", figure: held ? "held" : kind, threshold, evidence, fix };
}

function judgeState({ state, access }: Pick<HealthFacts, "state" | "access">): Judged {
  const threshold = "must be readable";
  if (access !== null) return { verdict: "critical", figure: "closed", threshold, ...access };
  if (state.ok) return fine("readable", state.value, threshold);
  return {
    verdict: "critical",
    figure: "damaged",
    threshold,
    evidence: `the state of this server cannot be used: ${firstLineOf(state.error)}`,
    fix: "fleetd doctor",
  };
}

function judgeKey({ path, problem }: { readonly path: string; readonly problem: string | null }): Judged {
  const threshold = "must be usable";
  if (problem === null) return fine("there", path, threshold);
  const evidence = `the private key ${path} cannot be used, so nothing can be sent: ${firstLineOf(problem)}`;
  return { verdict: "critical", figure: "unusable", threshold, evidence, fix: "fleetd doctor" };
}

function judgeStore(store: StoreFacts): Judged {
  const threshold = "must be whole";
  const { problem, oldLocks } = store;
  const fix = "fleetd doctor --fix";
  if (problem !== null) {
    const evidence = `the store cannot be used: ${firstLineOf(problem)}`;
    return { verdict: "critical", figure: "damaged", threshold, evidence, fix };
  }
  const [first] = oldLocks;
  if (first !== undefined) {
    const more = oldLocks.length === 1 ? "" : ` and ${oldLocks.length - 1} more`;
    const evidence = `a lock was left in the store: ${first}${more}`;
    return { verdict: "warn", figure: "locked", threshold, evidence, fix };
  }
  return fine("readable", store.path, threshold);
}

function judgeGit(git: Result<string>): Judged {
  const threshold = "2.25 or newer";
  if (git.ok) return fine(git.value, `git ${git.value}`, threshold);
  const evidence = firstLineOf(git.error);
  return { verdict: "critical", figure: "unusable", threshold, evidence, fix: "Install git 2.25 or newer" };
}

function judgeDisk(disk: DiskSpace & { readonly path: string }, thresholds: HealthThresholds): Judged {
  const { disk_warn, disk_critical } = thresholds;
  const threshold = `< ${formatSize(disk_warn)} / ${formatSize(disk_critical)}`;
  const figure = `${formatSize(disk.freeBytes)} free`;
  const evidence = `${figure} of ${formatSize(disk.totalBytes)} where ${disk.path} is`;
  const verdict = levelOf(disk.freeBytes < disk_critical, disk.freeBytes < disk_warn);
  if (verdict === "ok") return fine(figure, evidence, threshold);
  const few = `the disk is nearly full: ${evidence}`;
  return {
    verdict,
    figure,
    threshold,
    evidence: few,
    fix: `Free some space; df -h ${disk.path} tells how much`,
  };
}

function judgeMemory(memory: MemorySpace, thresholds: HealthThresholds): Judged {
  const threshold = `> ${thresholds.memory_warn} %`;
  const usedPercent = usedPercentOf(memory);
  const figure = `${Math.floor(usedPercent)} % used`;
  const whose = memory.limitedBy === "cgroup" ? "allowed by the cgroup" : "on this machine";
  const evidence = `${formatSize(memory.availableBytes)} of ${formatSize(memory.totalBytes)} ${whose} available`;
  if (usedPercent <= thresholds.memory_warn) return fine(figure, evidence, threshold);
  const fix = "End what uses it, or raise the limit";
  return { verdict: "warn", figure, threshold, evidence: `memory is short: ${evidence}`, fix };
}

/** Used memory in per cent of what there is; all of it where there is none. */
export const usedPercentOf = (space: {
  readonly totalBytes: number;
  readonly availableBytes: number;
}): number =>
  space.totalBytes <= 0 ? 100 : 100 * (1 - Math.min(1, Math.max(0, space.availableBytes / space.totalBytes)));

/** From whether the critical and the warning limit are passed to a verdict. */
export function levelOf(isCritical: boolean, isWarning: boolean): "ok" | "warn" | "critical" {
  if (isCritical) return "critical";
  return isWarning ? "warn" : "ok";
}
