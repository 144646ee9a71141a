import { formatDuration } from "../../base/duration.ts";
import { FleetError, firstLineOf } from "../../base/errors.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { outboxItem } from "../../fleet/messaging/outbox.ts";
import {
  dropEntry,
  listQueue,
  type QueueItem,
  type QueueSummary,
  queueSummary,
  retryEntry,
} from "../../fleet/messaging/queue.ts";
import { systemClock } from "../../platform/clock.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { joinLines, type Piece, type SafeText, safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { chooseQueued } from "../queued-entry.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";
import { codeOfWaiting, reasonOf, tellReason } from "../tell-failure.ts";

/** The arguments of `queue list`, as typed. */
export interface QueueArguments {
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Shows what is not on the remote yet, oldest first. */
export async function listWaiting(args: QueueArguments): Promise<void> {
  await withSession(args, (session) => Promise.resolve(printQueue(session, args)));
}

function printQueue(session: Session, args: QueueArguments): void {
  const { state, identity } = session.mailbox();
  const items = listQueue(state, session.settings);
  const summary = queueSummary(state);
  if (args.json) {
    const entries = items.map(toJson);
    printJson("queue", { server: identity.server, summary: summaryJson(summary), entries });
    return;
  }
  const nowWallMs = systemClock.wallMs();
  printText(inWords(summary, nowWallMs));
  if (items.length > 0) printText(renderItems(items, openStyle(args), nowWallMs));
}

function inWords(
  { waiting, dead, expired, receipts, oldestWallMs }: QueueSummary,
  nowWallMs: number,
): string {
  const parts = [
    ...(waiting > 0
      ? [`${waiting} waiting, oldest since ${formatDuration(nowWallMs - (oldestWallMs ?? nowWallMs))}`]
      : []),
    ...(dead > 0 ? [`${dead} dead`] : []),
    ...(expired > 0 ? [`${expired} expired`] : []),
    ...(receipts > 0 ? [`${receipts} receipt${receipts === 1 ? "" : "s"}`] : []),
  ];
  return parts.length === 0 ? "Nothing waits: everything was confirmed by the remote" : parts.join("; ");
}

function renderItems(items: readonly QueueItem[], style: Style, nowWallMs: number) {
  const rows = items.map((item): Piece[] => [
    shortId(item.id),
    item.to.join(","),
    item.subject,
    formatRelativeTime(item.createdWallMs, nowWallMs),
    isLost(item) ? style.red(item.state) : item.state === "built" ? "queued" : item.state,
    String(item.unreachable),
    String(item.refused),
    item.failedWallMs === null ? "" : formatRelativeTime(item.failedWallMs, nowWallMs),
  ]);
  const columns = [
    { title: "ID", keepWhole: true },
    { title: "TO" },
    { title: "SUBJECT" },
    { title: "WRITTEN" },
    { title: "STATE", keepWhole: true },
    { title: "UNREACHABLE", keepWhole: true, align: "right" as const },
    { title: "REFUSED", keepWhole: true, align: "right" as const },
    { title: "FAILING SINCE", keepWhole: true },
  ];
  return joinLines([renderTable({ columns, rows }, style, terminalWidth()), ...reasonsOf(items)]);
}

/** How many reasons are told. Chosen: most of the time there is one. */
const REASONS_MAX = 5;

/** Why entries wait, each reason once and whole: a column would cut it. */
function reasonsOf(items: readonly QueueItem[]): SafeText[] {
  const counts = new Map<string, number>();
  for (const item of items) {
    const reason = firstLineOf(item.reason);
    if (reason !== "") counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const most = [...counts].toSorted((left, right) => right[1] - left[1]).slice(0, REASONS_MAX);
  return most.map(([reason, count]) => safe`${count === 1 ? "1 entry" : `${count} entries`}: ${reason}`);
}

const isLost = ({ state }: QueueItem): boolean => state === "dead" || state === "expired";

const toInstant = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

const toJson = (item: QueueItem): Record<string, unknown> => ({
  id: item.id,
  type: item.type,
  to: item.to,
  subject: item.subject,
  state: item.state,
  created_at: toInstant(item.createdWallMs),
  expires_at: toInstant(item.expiresWallMs),
  unreachable: item.unreachable,
  refused: item.refused,
  reason: item.reason,
  failing_since: toInstant(item.failedWallMs),
});

const summaryJson = (summary: QueueSummary): Record<string, unknown> => ({
  waiting: summary.waiting,
  refused: summary.refused,
  dead: summary.dead,
  expired: summary.expired,
  receipts: summary.receipts,
  oldest_at: toInstant(summary.oldestWallMs),
  reason: summary.reason,
  failing_since: toInstant(summary.failedWallMs),
});

/** The arguments of `queue retry`, as typed. */
export interface RetryArguments extends QueueArguments {
  readonly id: readonly string[];
  readonly all: boolean;
}

/**
 * Starts anew what is dead, expired or resting, and has it pushed at once: by the daemon, or here. Exit code 75 when
 * it was pushed here and the remote still did not take all of it, 77 where this server may not push.
 */
export async function retryWaiting(args: RetryArguments): Promise<number> {
  return await withSession(args, async (session) => {
    const { state } = session.mailbox();
    const isRetryable = (item: QueueItem): boolean => isLost(item) || item.state === "refused";
    const chosen = chooseQueued(listQueue(state, session.settings), {
      ids: args.id,
      all: args.all ? isRetryable : null,
      flag: "--all",
    });
    const nowWallMs = systemClock.wallMs();
    const retried = state.transaction(() => chosen.filter((item) => retryEntry(state, item.id, nowWallMs)));
    const over = chosen.filter(
      (item) => item.state === "expired" && !retried.includes(item) && args.id.length > 0,
    );
    if (over[0] !== undefined) throw isOver(over[0]);
    const states = retried.length === 0 ? [] : await pushNow(session, retried);
    const isDone = states.every((one) => one === "pushed" || one === "daemon");
    if (args.json) printJson("queue.retry", { retried: retried.map((item) => item.id), pushed: isDone });
    else for (const text of tellRetried(retried, states)) printText(text);
    return isDone ? 0 : codeOfWaiting(state, false);
  });
}

const isOver = (item: QueueItem): FleetError =>
  new FleetError(
    "BAD_INPUT",
    `Cannot retry message "${shortId(item.id)}": its sender wanted it to end ${toInstant(item.expiresWallMs)}`,
    { hint: "Send it anew, or give it up with fleetd queue drop" },
  );

/** The state of each entry after a push; `daemon` where a daemon does it. */
async function pushNow(session: Session, retried: readonly QueueItem[]): Promise<readonly string[]> {
  const taken = await session.ask((daemon) => daemon.push());
  if (taken !== null) return retried.map(() => "daemon");
  const outcome = await session.flush([], REMOTE_TIMEOUT_MS);
  const { state } = session.mailbox();
  const reason = reasonOf(state, outcome);
  if (reason !== null) tellReason(state, reason);
  return retried.map((item) => outboxItem(state, item.id)?.state ?? "gone");
}

function tellRetried(retried: readonly QueueItem[], states: readonly string[]): string[] {
  if (retried.length === 0) return ["Nothing to retry: nothing is dead, expired or resting"];
  const endings: Record<string, string> = {
    pushed: "and on the remote",
    daemon: "the monitor pushes it now",
  };
  return retried.map((item, position) => {
    const ending = endings[states[position] ?? ""] ?? "it is still not on the remote";
    return `Retried ${shortId(item.id)} to ${item.to.join(",")}: ${ending}`;
  });
}

/** The arguments of `queue drop`, as typed. */
export interface DropArguments extends QueueArguments {
  readonly id: readonly string[];
  readonly allDead: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
}

/** Gives up entries that are in no batch. @throws FleetError BAD_INPUT for one that may be on the remote */
export async function dropWaiting(args: DropArguments): Promise<void> {
  await withSession(args, (session) => Promise.resolve(printDropped(dropChosen(session, args), args)));
}

function dropChosen(session: Session, args: DropArguments): QueueItem[] {
  const { state } = session.mailbox();
  const all = args.allDead ? isLost : null;
  const chosen = chooseQueued(listQueue(state, session.settings), { ids: args.id, all, flag: "--all-dead" });
  const kept = chosen.find((item) => !isDroppable(item));
  if (kept !== undefined) throw notDroppable(kept);
  if (args.dryRun) return chosen;
  if (!args.yes && chosen.length > 0) throw unconfirmed(chosen);
  return state.transaction(() => chosen.filter((item) => dropEntry(state, item.id)));
}

function printDropped(dropped: readonly QueueItem[], args: DropArguments): void {
  if (args.json) {
    printJson("queue.drop", { dropped: dropped.map((item) => item.id), dry_run: args.dryRun });
    return;
  }
  if (dropped.length === 0) printText("Nothing to drop");
  const verb = args.dryRun ? "Would drop" : "Dropped";
  for (const item of dropped)
    printText(`${verb} ${shortId(item.id)} to ${item.to.join(",")}: ${item.subject}`);
}

/** Without its key a server cannot send anything. */
const isDroppable = (item: QueueItem): boolean => item.state !== "built" && item.type !== "key";

function notDroppable(item: QueueItem): FleetError {
  const id = shortId(item.id);
  return item.type === "key"
    ? new FleetError("BAD_INPUT", `Cannot drop "${id}": it is this server's key, with which its log begins`)
    : new FleetError("BAD_INPUT", `Cannot drop "${id}": it may already be on the remote`, {
        hint: "Nobody answered the push it was in; it is tried until somebody does",
      });
}

function unconfirmed(chosen: readonly QueueItem[]): FleetError {
  const what = chosen.length === 1 ? `"${shortId(chosen[0]?.id ?? "")}"` : `${chosen.length} entries`;
  return new FleetError("USAGE", `Cannot drop ${what}: they are gone for ever then, need --yes`, {
    hint: "See what it would be with --dry-run",
  });
}
