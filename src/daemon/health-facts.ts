/**
 * Looking: everything that health is judged by, found out on this machine. The monitor and the commands gather alike;
 * only what the monitor keeps in mind (its remote, its breaker, its clock) comes from it.
 */
import { dirname } from "node:path";
import { messageOf } from "../base/errors.ts";
import { fromInstant } from "../base/instant.ts";
import type { RemoteOptions } from "../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type {
  ClockSample,
  HealthFacts,
  MonitorFacts,
  OwnRefsFact,
  QueueFacts,
  RemoteFacts,
  ServicesFacts,
  StoreFacts,
} from "../fleet/health/model.ts";
import { lastLookWallMs } from "../fleet/messaging/last-look.ts";
import { lastPushedWallMs } from "../fleet/messaging/outbox.ts";
import { describeOwnAlarm, holdOf, listOwnAlarms } from "../fleet/messaging/own-alarms.ts";
import { listPeers } from "../fleet/messaging/peers.ts";
import { queueSummary } from "../fleet/messaging/queue.ts";
import { hintOfHold } from "../fleet/messaging/recover-log.ts";
import { listCards } from "../fleet/messaging/stored-cards.ts";
import type { DaemonStatus } from "../http/protocol.ts";
import { findAccessProblem } from "../platform/access.ts";
import { systemClock } from "../platform/clock.ts";
import { readDiskSpace } from "../platform/disk-space.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { findOldLocks, findStoreProblem } from "../platform/git/inspect-store.ts";
import { probeGit } from "../platform/git/probe-git.ts";
import { findKeyProblem } from "../platform/key-file.ts";
import { readMemory } from "../platform/memory.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { readHolder, tryLock } from "../platform/process-lock.ts";
import { breakerFacts, monitorFacts, remoteFacts } from "./monitor-facts.ts";
import type { Mailbox } from "./open-mailbox.ts";

/** Cards that came longer ago say nothing of today's clocks. */
const SAMPLE_MS_MAX = 24 * 3_600_000;
/** What came so soon after the monitor's start may have waited on the remote. */
const CATCH_UP_MS = 60_000;

/** Where to look. `ask`: how to ask the remote when no monitor does, null for not at all. */
export interface HealthSource {
  readonly paths: ServerPaths;
  readonly mailbox: Result<Mailbox>;
  readonly daemon: DaemonStatus | null;
  readonly ask: RemoteOptions | null;
}

/** Gathers the facts of one server. Never throws: what cannot be found out is a failed fact. */
export async function gatherHealth(source: HealthSource): Promise<HealthFacts> {
  const { paths, daemon } = source;
  const mailbox = requireMailbox(source.mailbox);
  const nowWallMs = systemClock.wallMs();
  const [git, memory, remote] = await Promise.all([
    attempt(() => probeGit(systemGitEnvironment())),
    readMemory(),
    attempt(() => remoteOf(source, mailbox(), nowWallMs)),
  ]);
  const disk = readDiskSpace(paths.folder);
  const breaker = await attempt(() => (daemon === null ? null : breakerFacts(daemon)));
  return {
    monitor: await attempt(() => monitorOf(paths, daemon)),
    remote,
    // A monitor of an older version has none, or tells of it in another way.
    breaker: breaker.ok ? breaker.value : null,
    queue: await attempt(() => queueOf(mailbox())),
    ownRefs: await attempt(() => ownRefsOf(mailbox(), nowWallMs)),
    services: supervisedOf(daemon),
    state: source.mailbox.ok ? ok(paths.state) : source.mailbox,
    access: findAccessProblem(paths.state),
    key: ok({ path: paths.key, problem: findKeyProblem(paths.key) }),
    store: await attempt(() => storeOf(mailbox(), nowWallMs)),
    git,
    disk: disk.ok ? ok({ ...disk.value, path: dirname(paths.folder) }) : disk,
    memory,
    clock: await attempt(() => ({
      samples: clockSamples(mailbox(), daemon, nowWallMs),
      jump: daemon?.clockJump ?? null,
    })),
  };
}

/** A monitor of an older version does not tell; where there are no services there is nothing to judge. */
function supervisedOf(daemon: DaemonStatus | null): ServicesFacts | null {
  const services = daemon?.services ?? null;
  return services === null || services.total === 0 ? null : services;
}

const requireMailbox = (mailbox: Result<Mailbox>) => (): Mailbox => {
  if (mailbox.ok) return mailbox.value;
  throw new Error(mailbox.error);
};

async function attempt<T>(look: () => T | Promise<T>): Promise<Result<T>> {
  try {
    return ok(await look());
  } catch (thrown) {
    return fail(messageOf(thrown));
  }
}

function monitorOf(paths: ServerPaths, daemon: DaemonStatus | null): MonitorFacts | null {
  if (daemon !== null) return monitorFacts(daemon);
  const lock = tryLock(paths.daemonLock);
  if (lock !== null) {
    lock.release();
    return null;
  }
  const holder = readHolder(paths.daemonLock);
  const startedWallMs = holder?.startedWallMs ?? null;
  return { pid: holder?.pid ?? null, version: "", startedWallMs, answers: false };
}

async function remoteOf(source: HealthSource, mailbox: Mailbox, nowWallMs: number): Promise<RemoteFacts> {
  const { daemon, ask } = source;
  const remote = mailbox.remote();
  const url = remote.displayUrl;
  if (daemon !== null) return remoteFacts(daemon, url);
  const known = {
    url,
    sinceWallMs: nowWallMs,
    lastFetchWallMs: lastLookWallMs(mailbox.state),
    lastPushWallMs: lastPushedWallMs(mailbox.state),
  };
  if (ask === null) return { ...known, lookedAt: "not", trouble: null };
  const listed = await remote.listRefs([`${mailbox.identity.namespace}meta`], ask);
  if (listed.ok) return { ...known, lookedAt: "now", lastFetchWallMs: nowWallMs, trouble: null };
  return { ...known, lookedAt: "now", trouble: listed.error.detail || listed.error.kind };
}

function queueOf({ state }: Mailbox): QueueFacts {
  const { waiting, oldestWallMs, dead, reason } = queueSummary(state);
  return { waiting, oldestWallMs, dead, reason: reason === "" ? null : reason };
}

const ALARM_FIX = "fleetd doctor";

function ownRefsOf({ state }: Mailbox, nowWallMs: number): OwnRefsFact[] {
  const hold = holdOf(state);
  return listOwnAlarms(state, nowWallMs).map((alarm) => {
    const { held, kind } = alarm;
    const fix = hold !== null && held ? hintOfHold(hold.kind) : ALARM_FIX;
    return { held, kind, detail: describeOwnAlarm(alarm), fix };
  });
}

function storeOf({ paths, identity }: Mailbox, nowWallMs: number): StoreFacts {
  return {
    path: paths.store,
    problem: findStoreProblem(paths.store, identity.format),
    oldLocks: findOldLocks(paths.store, nowWallMs).map((lock) => lock.path),
  };
}

function clockSamples(mailbox: Mailbox, daemon: DaemonStatus | null, nowWallMs: number): ClockSample[] {
  const forgotten = new Set(
    listPeers(mailbox.state).flatMap((peer) => (peer.forgotten ? [peer.server] : [])),
  );
  const liveSinceWallMs = daemon === null ? Number.POSITIVE_INFINITY : daemon.startedWallMs + CATCH_UP_MS;
  return listCards(mailbox.index())
    .filter(({ server, receivedWallMs }) => {
      const isRecent = Math.abs(nowWallMs - receivedWallMs) < SAMPLE_MS_MAX;
      return isRecent && !forgotten.has(server) && server !== mailbox.identity.server;
    })
    .map(({ server, card, receivedWallMs }) => ({
      server,
      cardWallMs: fromInstant(card.at),
      receivedWallMs,
      live: receivedWallMs > liveSinceWallMs,
    }));
}
