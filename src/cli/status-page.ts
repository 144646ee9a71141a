/** What `fleetd status` says: gathered once, and shown as a page, as JSON, or again and again. */
import type { Result } from "../base/result.ts";
import type { Mailbox } from "../daemon/open-mailbox.ts";
import { problemsFirst, type Verdict, worstOf } from "../fleet/health/model.ts";
import { autoPause, DECISIONS_LOST } from "../fleet/messaging/auto-pause.ts";
import { countParked } from "../fleet/messaging/handler-runs.ts";
import { lastLookWallMs } from "../fleet/messaging/last-look.ts";
import { countUnread } from "../fleet/messaging/mailbox-queries.ts";
import { lastPushedWallMs } from "../fleet/messaging/outbox.ts";
import { type PresenceState, presenceOf } from "../fleet/messaging/presence.ts";
import { type QueueSummary, queueSummary } from "../fleet/messaging/queue.ts";
import { fingerprintOf, fromOpenSsh } from "../fleet/messaging/ssh-signature.ts";
import { listTrusted } from "../fleet/messaging/trust-view.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { DaemonStatus } from "../http/protocol.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { type KnownServer, listProblems, listServers } from "./actions/servers.ts";
import { judgeServer, tryMailbox } from "./judge-server.ts";
import { refreshIndex } from "./look.ts";
import type { Session } from "./session.ts";

/** Something to look at: what, and what to do about it. */
export interface StatusProblem {
  /** The check or the kind of trouble, as `health` and `doctor` name it. */
  readonly id: string;
  readonly verdict: Exclude<Verdict, "ok">;
  readonly evidence: string;
  readonly fix: string;
}

/** Another server, and whether it is there. */
export interface StatusPeer extends KnownServer {
  readonly presence: PresenceState;
}

/** Everything on the page. `own` is null where the state cannot be opened; the problems then say why. */
export interface StatusPage {
  readonly nowWallMs: number;
  readonly verdict: Verdict;
  readonly problems: readonly StatusProblem[];
  readonly daemon: DaemonStatus | null;
  readonly own: OwnFacts | null;
}

/** What the state of this server says. */
export interface OwnFacts {
  readonly server: string;
  readonly fleet: string;
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly remoteUrl: string;
  readonly unread: number;
  readonly queue: QueueSummary;
  readonly lastFetchWallMs: number | null;
  readonly lastPushWallMs: number | null;
  /** The breaker around the remote, where the monitor has one. */
  readonly breaker: string | null;
  readonly peers: readonly StatusPeer[];
}

/** Gathers the page of a session's server. Nothing is asked of the remote: that is the monitor's work. */
export async function gatherStatus(session: Session, settings: ServerSettings): Promise<StatusPage> {
  // What a look mends by itself is judged as it is then.
  if (tryMailbox(session).ok) await refreshIndex(session, { offline: true });
  const { daemon, mailbox, report } = await judgeServer(session, settings, null);
  const nowWallMs = systemClock.wallMs();
  const problems = problemsFirst(report.checks).map(({ id, verdict, evidence, fix }) => ({
    id,
    verdict: verdict as StatusProblem["verdict"],
    evidence,
    fix: fix ?? "fleetd doctor",
  }));
  if (!mailbox.ok) return { nowWallMs, verdict: report.verdict, problems, daemon, own: null };
  const breaker = report.checks.find((check) => check.id === "breaker")?.figure ?? null;
  const all = [...problems, ...stopped(session, nowWallMs), ...waiting(session), ...inTheMail(session)];
  const verdict = all.length === 0 ? "ok" : worstOf([report.verdict, ...all.map((one) => one.verdict)]);
  const own = { ...ownFacts(session, mailbox, { daemon, settings, nowWallMs }), breaker };
  return { nowWallMs, verdict, problems: all, daemon, own };
}

/** What the operator stopped, and what stopped by itself and waits for the operator. */
function stopped(session: Session, nowWallMs: number): StatusProblem[] {
  const { state } = session.mailbox();
  const problems: StatusProblem[] = [];
  const pause = autoPause(state, nowWallMs);
  if (pause !== null) {
    const byOperator = { evidence: "everything automatic is paused", fix: "fleetd resume auto" };
    const words = pause.decisionsLost ? DECISIONS_LOST : byOperator;
    problems.push({ id: "pause", verdict: "warn", ...words });
  }
  const parked = countParked(state);
  if (parked > 0) {
    const evidence = `${parked} parked handler run${parked === 1 ? "" : "s"} to look at`;
    problems.push({ id: "handlers", verdict: "warn", evidence, fix: "fleetd handlers" });
  }
  return problems;
}

/** Servers that are shown and not trusted until the operator says so. */
function waiting(session: Session): StatusProblem[] {
  return listTrusted(session.mailbox().receivePorts())
    .filter(({ how }) => how === "waiting")
    .map(({ server, fingerprint, advice }) => ({
      id: "trust",
      verdict: "warn",
      evidence: `${server} waits to be trusted: its key is ${fingerprint ?? "unknown"}`,
      fix: advice ?? "fleetd trust list",
    }));
}

function inTheMail(session: Session): StatusProblem[] {
  return listProblems(session).map(({ server, problem }) => ({
    id: problem.startsWith("quarantined") ? "quarantine" : "alarm",
    verdict: "warn",
    evidence: `${server}: ${problem}`,
    fix: "fleetd doctor",
  }));
}

function ownFacts(
  session: Session,
  opened: Result<Mailbox>,
  view: {
    readonly daemon: DaemonStatus | null;
    readonly settings: ServerSettings;
    readonly nowWallMs: number;
  },
): Omit<OwnFacts, "breaker"> {
  const { identity, state, index, remote } = opened.ok ? opened.value : session.mailbox();
  const { daemon, settings, nowWallMs } = view;
  return {
    server: identity.server,
    fleet: identity.fleet,
    publicKey: identity.publicKey,
    fingerprint: fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography),
    remoteUrl: remote().displayUrl,
    unread: countUnread(index()),
    queue: queueSummary(state),
    lastFetchWallMs: daemon === null ? lastLookWallMs(state) : daemon.lastFetchWallMs,
    lastPushWallMs: daemon?.lastPushWallMs ?? lastPushedWallMs(state),
    peers: listServers(session)
      .filter((peer) => !peer.forgotten)
      .map((peer) => ({
        ...peer,
        presence: presenceOf(peer.lastSeenWallMs, nowWallMs, settings.heartbeat).state,
      })),
  };
}

const instantOf = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

/** The page as scripts read it; every problem is in it. */
export function toStatusJson({ verdict, problems, daemon, own }: StatusPage): Record<string, unknown> {
  return {
    verdict,
    problems: problems.map(({ evidence, ...rest }) => ({ ...rest, text: evidence })),
    problems_total: problems.length,
    server: own?.server ?? null,
    fleet: own?.fleet ?? null,
    public_key: own?.publicKey ?? null,
    unread: own?.unread ?? null,
    queue: own === null ? null : toQueueJson(own.queue),
    remote:
      own === null
        ? null
        : {
            url: own.remoteUrl,
            last_fetch_at: instantOf(own.lastFetchWallMs),
            last_push_at: instantOf(own.lastPushWallMs),
            breaker: own.breaker,
          },
    monitor: daemon === null ? null : toMonitorJson(daemon),
    // Null where the monitor does not run, or another one supervises.
    services: daemon?.services ?? null,
    peers: (own?.peers ?? []).map((peer) => ({
      server: peer.server,
      last_seen_at: instantOf(peer.lastSeenWallMs),
      presence: peer.presence,
      trust: peer.trust,
      health: peer.health?.status ?? "unknown",
      health_summary: peer.health?.summary ?? null,
      version: peer.version,
    })),
  };
}

const toQueueJson = (queue: QueueSummary): Record<string, unknown> => ({
  count: queue.waiting,
  oldest_at: instantOf(queue.oldestWallMs),
  refused: queue.refused,
  dead: queue.dead,
  expired: queue.expired,
});

const toMonitorJson = (daemon: DaemonStatus): Record<string, unknown> => ({
  pid: daemon.pid,
  version: daemon.version,
  started_at: instantOf(daemon.startedWallMs),
  last_fetch_at: instantOf(daemon.lastFetchWallMs),
  last_push_at: instantOf(daemon.lastPushWallMs),
  auto_replies: daemon.autoReplies,
  holds_machine: daemon.holdsMachine,
});
