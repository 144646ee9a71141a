import { formatDuration } from "../../base/duration.ts";
import { firstLineOf } from "../../base/errors.ts";
import { type AutoPause, autoPause } from "../../fleet/messaging/auto-pause.ts";
import { countParked } from "../../fleet/messaging/handler-runs.ts";
import { countUnread } from "../../fleet/messaging/mailbox-queries.ts";
import { lastPushedWallMs, queueDepth } from "../../fleet/messaging/outbox.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import type { DaemonStatus } from "../../http/protocol.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { type Session, withSession } from "../session.ts";
import { type KnownServer, listProblems, listServers, type ServersArguments } from "./servers.ts";

/** The arguments of `status`, as typed. */
export interface StatusArguments extends Omit<ServersArguments, "offline"> {
  readonly check: boolean;
}

/** A queue older than this is a warning even when nobody named a reason. */
const QUEUE_AGE_WARN_MS = 5 * 60_000;
/** A peer not heard of for two heartbeats and a bit may be off. */
const PEER_SILENT_MS = 12 * 60_000;

/** Verdicts of `--check`, with their exit codes: 0 ok, 1 something to look at, 2 critical. */
const CHECK_CODES = { ok: 0, warn: 1, critical: 2 } as const;
type Verdict = keyof typeof CHECK_CODES;

interface Problem {
  readonly verdict: Exclude<Verdict, "ok">;
  readonly text: string;
}

interface StatusPage {
  readonly daemon: DaemonStatus | null;
  readonly queue: { readonly count: number; readonly oldestWallMs: number | null };
  readonly unread: number;
  readonly peers: readonly KnownServer[];
  readonly problems: readonly Problem[];
}

/** One page about this server and its fleet. Exit code 0 and says so; with `--check` the verdict is the exit code. */
export async function status(args: StatusArguments): Promise<number> {
  return await withSession(args, async (session) => {
    const nowWallMs = systemClock.wallMs();
    const daemon = await session.ask((client) => client.status());
    await refreshIndex(session, { offline: true });
    const mailbox = session.mailbox();
    const queue = queueDepth(mailbox.state);
    const peers = listServers(session).filter((peer) => !peer.forgotten);
    const stopped = {
      pause: autoPause(mailbox.state, nowWallMs),
      parked: countParked(mailbox.state),
    };
    const problems = judge({ daemon, queue, peers, refused: listProblems(session), ...stopped }, nowWallMs);
    const page = { daemon, queue, peers, problems, unread: countUnread(mailbox.index()) };
    const verdict = worst(problems);
    if (args.json) printJson("status", toJson(session, page, verdict));
    else printPage(session, page, { style: openStyle(args), nowWallMs, verdict });
    return args.check ? CHECK_CODES[verdict] : 0;
  });
}

function judge(
  facts: Pick<StatusPage, "daemon" | "queue" | "peers"> & {
    refused: { server: string; problem: string }[];
    pause: AutoPause | null;
    parked: number;
  },
  nowWallMs: number,
): Problem[] {
  const problems: Problem[] = [];
  const warn = (text: string): void => void problems.push({ verdict: "warn", text });
  const { daemon, queue } = facts;
  if (daemon === null) warn("no monitor is running: nothing is received or answered (fleetd monitor)");
  if (facts.pause !== null) warn("everything automatic is paused (fleetd resume auto)");
  if (facts.parked > 0) warn(`${facts.parked} parked handler run(s) wait for you (fleetd handlers)`);
  const trouble = daemon?.trouble ?? null;
  if (trouble !== null)
    problems.push({ verdict: "critical", text: `remote in trouble: ${firstLineOf(trouble)}` });
  if (queue.oldestWallMs !== null && nowWallMs - queue.oldestWallMs > QUEUE_AGE_WARN_MS) {
    warn(
      `${queue.count} message(s) wait to be sent, the oldest for ${formatDuration(nowWallMs - queue.oldestWallMs)}`,
    );
  }
  for (const { server, problem } of facts.refused.slice(0, 5)) warn(`${server}: ${problem}`);
  if (facts.refused.length > 5) warn(`${facts.refused.length - 5} more of that kind`);
  return problems;
}

function worst(problems: readonly Problem[]): Verdict {
  if (problems.some((one) => one.verdict === "critical")) return "critical";
  return problems.length > 0 ? "warn" : "ok";
}

const instantOf = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

function toJson(session: Session, page: StatusPage, verdict: Verdict): Record<string, unknown> {
  const { identity } = session.mailbox();
  const { daemon } = page;
  return {
    verdict,
    problems: page.problems,
    server: identity.server,
    fleet: identity.fleet,
    public_key: identity.publicKey,
    unread: page.unread,
    queue: { count: page.queue.count, oldest_at: instantOf(page.queue.oldestWallMs) },
    monitor:
      daemon === null
        ? null
        : {
            pid: daemon.pid,
            started_at: instantOf(daemon.startedWallMs),
            last_fetch_at: instantOf(daemon.lastFetchWallMs),
            last_push_at: instantOf(daemon.lastPushWallMs),
            auto_replies: daemon.autoReplies,
            holds_machine: daemon.holdsMachine,
          },
    peers: page.peers.map((peer) => ({ server: peer.server, last_seen_at: instantOf(peer.lastSeenWallMs) })),
  };
}

function printPage(
  session: Session,
  page: StatusPage,
  view: { style: Style; nowWallMs: number; verdict: Verdict },
): void {
  const { style, nowWallMs, verdict } = view;
  const mailbox = session.mailbox();
  const { identity } = mailbox;
  const colour = { ok: style.green, warn: style.yellow, critical: style.red }[verdict];
  const key = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
  const ago = (wallMs: number | null): string =>
    wallMs === null ? "never" : formatRelativeTime(wallMs, nowWallMs);
  printText(
    safe`${colour(`● ${verdict === "ok" ? "all is well" : verdict}`)}  server ${style.bold(identity.server)}`,
  );
  for (const problem of page.problems) {
    const mark = problem.verdict === "critical" ? style.red("✗") : style.yellow("!");
    printText(safe`  ${mark} ${problem.text}`);
  }
  const { daemon, queue } = page;
  const waiting =
    queue.oldestWallMs === null
      ? "nothing waits"
      : `${queue.count} waiting, oldest ${ago(queue.oldestWallMs)}`;
  const running = daemon === null ? "not running" : `pid ${daemon.pid}, started ${ago(daemon.startedWallMs)}`;
  const traffic =
    daemon === null
      ? `pushed ${ago(lastPushedWallMs(mailbox.state))}`
      : `looked ${ago(daemon.lastFetchWallMs)}, pushed ${ago(daemon.lastPushWallMs)}`;
  const facts: readonly (readonly [string, string])[] = [
    ["inbox", `${page.unread} unread`],
    ["outbox", waiting],
    ["monitor", running],
    ["remote", `${mailbox.remote().displayUrl}  ${traffic}`],
    ["fleet", identity.fleet],
    ["key", key],
  ];
  for (const [name, value] of facts) printText(safe`  ${style.dim(name.padEnd(8))} ${value}`);
  if (page.peers.length === 0) {
    printText(safe`  ${style.dim("peers".padEnd(8))} none yet`);
    return;
  }
  const rows = page.peers.map((peer) => {
    const seen = peer.lastSeenWallMs;
    const isSilent = seen === null || nowWallMs - seen > PEER_SILENT_MS;
    const light = seen === null ? style.dim("?") : isSilent ? style.yellow("●") : style.green("●");
    return [light, peer.server, seen === null ? "unknown" : ago(seen), peer.version ?? "unknown"];
  });
  const columns = [{ title: "" }, { title: "PEER" }, { title: "LAST SEEN" }, { title: "VERSION" }];
  printText(renderTable({ columns, rows }, style, terminalWidth()));
}
