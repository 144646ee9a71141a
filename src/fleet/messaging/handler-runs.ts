/**
 * The journal of handlers in `state.db`: one row per message that a rule gives to a program of this machine.
 *
 * A row is `queued` in the transaction that moves the handled cursor, `started` (durably) before the program is, and
 * `done` in the transaction that queues its answer and its receipt. Where nobody can say how a run ended it is
 * `parked`, unless its rule says that it may run again.
 */
import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { MessageEntry } from "./model.ts";

export type RunState = "queued" | "started" | "parked" | "done";

/** One run as the journal has it. Instants are wall ms. */
export interface HandlerRun {
  readonly from: string;
  readonly id: string;
  readonly rule: string;
  readonly state: RunState;
  /** How often the program was started, as far as the journal goes. */
  readonly attempts: number;
  readonly queuedWallMs: number;
  readonly dueWallMs: number;
  readonly startedWallMs: number | null;
  readonly endedWallMs: number | null;
  readonly exitCode: number | null;
  /** Why it is parked, or waits to run again; may quote what the system said. */
  readonly reason: string;
  readonly replyId: string | null;
  readonly subject: string;
}

/** The process of a started run: its id may have been given away since, its token is its own. */
export interface RunProcess {
  readonly token: string;
  readonly pid: number | null;
  /** When the system says that it was started; only to be compared. */
  readonly pidStarted: string | null;
}

/** Which run: a message's sender and id. */
export type RunKey = Pick<HandlerRun, "from" | "id">;

type RunRow = {
  message_from: string;
  message_id: string;
  rule: string;
  state: string;
  attempts: number;
  queued_wall_ms: number;
  due_wall_ms: number;
  started_wall_ms: number | null;
  ended_wall_ms: number | null;
  exit_code: number | null;
  reason: string;
  reply_id: string | null;
  subject: string;
};

const COLUMNS = `message_from, message_id, rule, state, attempts, queued_wall_ms, due_wall_ms, started_wall_ms,
  ended_wall_ms, exit_code, reason, reply_id, subject`;
const THIS = "message_from = ? AND message_id = ?";

const toRun = (row: RunRow): HandlerRun => ({
  from: row.message_from,
  id: row.message_id,
  rule: row.rule,
  state: row.state as RunState,
  attempts: row.attempts,
  queuedWallMs: row.queued_wall_ms,
  dueWallMs: row.due_wall_ms,
  startedWallMs: row.started_wall_ms,
  endedWallMs: row.ended_wall_ms,
  exitCode: row.exit_code,
  reason: row.reason,
  replyId: row.reply_id,
  subject: row.subject,
});

/**
 * Writes down that `rule` gives `message` to its handler. Where `openMax` wait already it is parked at once, so that
 * nothing is lost and nothing grows. Inside the caller's transaction.
 */
export function queueRun(
  state: Database,
  run: { readonly message: MessageEntry; readonly rule: string; readonly openMax: number },
  nowWallMs: number,
): RunState {
  const isFull = countOpen(state) >= run.openMax;
  const reason = isFull ? `${run.openMax} messages waited for handlers already` : "";
  state.run(
    `INSERT INTO runs(message_from, message_id, rule, state, queued_wall_ms, due_wall_ms, reason, subject, message)
     VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    run.message.from,
    run.message.id,
    run.rule,
    isFull ? "parked" : "queued",
    nowWallMs,
    nowWallMs,
    reason,
    run.message.subject,
    JSON.stringify(run.message),
  );
  return isFull ? "parked" : "queued";
}

/** Runs that wait or are at work. */
export const countOpen = (state: Database): number =>
  state.get<{ count: number }>("SELECT count(*) AS count FROM runs WHERE state IN ('queued', 'started')")
    ?.count ?? 0;

/** Runs that wait for the operator. */
export const countParked = (state: Database): number =>
  state.get<{ count: number }>("SELECT count(*) AS count FROM runs WHERE state = 'parked'")?.count ?? 0;

/** One run, or null. */
export function findRun(state: Database, { from, id }: RunKey): HandlerRun | null {
  const row = state.get<RunRow>(`SELECT ${COLUMNS} FROM runs WHERE ${THIS}`, from, id);
  return row === null ? null : toRun(row);
}

/** The run that is due first, due or not; null when none waits. */
export function nextRun(state: Database): HandlerRun | null {
  const row = state.get<RunRow>(
    `SELECT ${COLUMNS} FROM runs WHERE state = 'queued' ORDER BY due_wall_ms, queued_wall_ms LIMIT 1`,
  );
  return row === null ? null : toRun(row);
}

/** The message of a run that is not done. */
export function messageOfRun(state: Database, { from, id }: RunKey): MessageEntry {
  const row = state.get<{ message: string }>(`SELECT message FROM runs WHERE ${THIS}`, from, id);
  // Written by `queueRun` from a message that had been accepted.
  return readStoredJson(row?.message ?? "null", "a message in state.db") as MessageEntry;
}

/** Marks a waiting run as started, before its program is. Inside a durable transaction; false when it does not wait. */
export function startRun(
  state: Database,
  { from, id }: RunKey,
  start: { readonly token: string; readonly nowWallMs: number },
): boolean {
  const sql = `UPDATE runs SET state = 'started', attempts = attempts + 1, started_wall_ms = ?, ended_wall_ms = NULL,
    token = ?, pid = NULL, pid_started = NULL, reason = '' WHERE ${THIS} AND state = 'queued'`;
  return state.run(sql, start.nowWallMs, start.token, from, id) === 1;
}

/** Notes the process of a started run. */
export function noteProcess(
  state: Database,
  { from, id }: RunKey,
  process: { readonly pid: number; readonly pidStarted: string | null },
): void {
  const sql = `UPDATE runs SET pid = ?, pid_started = ? WHERE ${THIS}`;
  state.run(sql, process.pid, process.pidStarted, from, id);
}

/** Runs that were started and whose end is not here, with their processes. */
export function startedRuns(state: Database): (HandlerRun & { readonly process: RunProcess })[] {
  return state
    .all<RunRow & { token: string; pid: number | null; pid_started: string | null }>(
      `SELECT ${COLUMNS}, token, pid, pid_started FROM runs WHERE state = 'started' ORDER BY queued_wall_ms`,
    )
    .map((row) => ({
      ...toRun(row),
      process: { token: row.token, pid: row.pid, pidStarted: row.pid_started },
    }));
}

/** Ends a run for good. Inside the transaction that queues what follows from it; false when it was not at work. */
export function finishRun(
  state: Database,
  { from, id }: RunKey,
  end: {
    readonly exitCode: number;
    readonly reason: string;
    readonly replyId: string | null;
    readonly nowWallMs: number;
  },
): boolean {
  const sql = `UPDATE runs SET state = 'done', exit_code = ?, reason = ?, reply_id = ?, ended_wall_ms = ?, message = ''
    WHERE ${THIS} AND state = 'started'`;
  return state.run(sql, end.exitCode, end.reason, end.replyId, end.nowWallMs, from, id) === 1;
}

/** How many runs that are done are remembered, and for how long. Chosen: some 60 MB at most. */
const DONE_RUNS_MAX = 100_000;
const DONE_KEPT_MS = 90 * 24 * 3_600_000;

/**
 * Forgets runs that were done long ago: the cursor that passed their message keeps it from being handled again. What is
 * parked or at work stays for as long as it takes. Answers how many went. Inside the caller's transaction.
 */
export function forgetDoneRuns(state: Database, nowWallMs: number, countMax = DONE_RUNS_MAX): number {
  return state.run(
    `DELETE FROM runs WHERE state = 'done' AND (queued_wall_ms < ? OR queued_wall_ms <
       (SELECT queued_wall_ms FROM runs ORDER BY queued_wall_ms DESC LIMIT 1 OFFSET ?))`,
    nowWallMs - DONE_KEPT_MS,
    countMax - 1,
  );
}

/** Puts a run aside until somebody looks at it. */
export function parkRun(
  state: Database,
  { from, id }: RunKey,
  why: { reason: string; nowWallMs: number },
): void {
  const sql = `UPDATE runs SET state = 'parked', reason = ?, ended_wall_ms = ? WHERE ${THIS} AND state <> 'done'`;
  state.run(sql, why.reason, why.nowWallMs, from, id);
}

/** Lets a started run wait again, until `dueWallMs`. */
export function requeueRun(
  state: Database,
  { from, id }: RunKey,
  why: { reason: string; dueWallMs: number },
): void {
  const sql = `UPDATE runs SET state = 'queued', reason = ?, due_wall_ms = ? WHERE ${THIS} AND state = 'started'`;
  state.run(sql, why.reason, why.dueWallMs, from, id);
}

/** Lets a parked run wait again, with all its attempts before it. False when it is not parked. */
export function releaseRun(state: Database, { from, id }: RunKey, nowWallMs: number): boolean {
  const sql = `UPDATE runs SET state = 'queued', attempts = 0, due_wall_ms = ?, reason = '' WHERE ${THIS} AND state = 'parked'`;
  return state.run(sql, nowWallMs, from, id) === 1;
}

/** The journal for people: what is parked first, then what is at work and waits, then the newest that are done. */
export function listRuns(state: Database, limit: number): HandlerRun[] {
  const sql = `SELECT ${COLUMNS} FROM runs
    ORDER BY CASE state WHEN 'parked' THEN 0 WHEN 'started' THEN 1 WHEN 'queued' THEN 2 ELSE 3 END,
      queued_wall_ms DESC, message_id DESC LIMIT ?`;
  return state.all<RunRow>(sql, limit).map(toRun);
}

/** Runs of messages whose id starts or ends with `part`; at most two, since more than one is an error. */
export function findRuns(state: Database, part: string): HandlerRun[] {
  const sql = `SELECT ${COLUMNS} FROM runs WHERE message_id = ? OR substr(message_id, 1, ?) = ? OR substr(message_id, ?) = ? LIMIT 2`;
  return state.all<RunRow>(sql, part, part.length, part, -part.length, part).map(toRun);
}
