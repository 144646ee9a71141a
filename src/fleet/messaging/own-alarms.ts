/**
 * What is wrong with this server's own refs, as `state.db` remembers it: every process of the server has to know it,
 * whether or not a daemon runs. While one of them is held nothing is pushed, answered or handled.
 */
import type { Database } from "../../base/ports/database.ts";

/** Alarms that stop this server, and the code that a command ends with for it. */
export const HOLDS = {
  /** The own log or card was written with the own key by somebody whom this state does not know. */
  "other-machine": "NOT_AUTHORISED",
  /** Another key has the id, and this server never had it. */
  "id-taken": "NOT_AUTHORISED",
  /** The remote is another fleet's. */
  "other-fleet": "NOT_YET",
} as const;
export type HoldKind = keyof typeof HOLDS;

/**
 * `stranger`: commits of somebody else on the log; `card`: the same of the card; `adopted`: a former life was taken over;
 * `fight`: logs of other keys in the place of the own one, again and again.
 */
export type OwnAlarmKind = HoldKind | "stranger" | "card" | "conflict" | "adopted" | "fight";

/** One alarm. `endedWallMs` null while its cause lasts. `detail` may quote strangers. */
export interface OwnAlarm {
  readonly kind: OwnAlarmKind;
  readonly held: boolean;
  readonly detail: string;
  readonly firstWallMs: number;
  readonly endedWallMs: number | null;
}

/** An alarm in words: what becomes of strangers' commits depends on whether a batch has passed them over since. */
export function describeOwnAlarm({ kind, detail, endedWallMs }: OwnAlarm): string {
  if (kind !== "stranger") return detail;
  return `${detail}; ${endedWallMs === null ? "its next batch passes them over" : "they were passed over since"}`;
}

/** An alarm that stops this server. */
export interface Hold extends OwnAlarm {
  readonly kind: HoldKind;
}

type AlarmRow = {
  kind: string;
  held: number;
  detail: string;
  first_wall_ms: number;
  ended_wall_ms: number | null;
};

const toAlarm = (row: AlarmRow): OwnAlarm => ({
  kind: row.kind as OwnAlarmKind,
  held: row.held === 1,
  detail: row.detail,
  firstWallMs: row.first_wall_ms,
  endedWallMs: row.ended_wall_ms,
});

const isHoldKind = (kind: OwnAlarmKind): kind is HoldKind => Object.hasOwn(HOLDS, kind);

/** An alarm whose cause is gone is shown for so long. Chosen: somebody looks once a day. */
const SHOWN_MS = 24 * 3_600_000;

/**
 * Raises an alarm, or says it in other words; true when it is news. Writes nothing otherwise, since every look may call
 * it. A new hold ends the one before: they exclude each other.
 */
export function raiseOwnAlarm(
  state: Database,
  alarm: { readonly kind: OwnAlarmKind; readonly detail: string },
  nowWallMs: number,
): boolean {
  const known = findAlarm(state, alarm.kind);
  const stands = known !== null && known.endedWallMs === null;
  if (stands && known.detail === alarm.detail) return false;
  const held = isHoldKind(alarm.kind);
  state.transaction(() => {
    if (held) endAll(state, nowWallMs, "held = 1 AND kind <> ?", alarm.kind);
    state.run(
      `INSERT INTO own_alarms(kind, held, detail, first_wall_ms) VALUES(?, ?, ?, ?)
       ON CONFLICT(kind) DO UPDATE SET detail = excluded.detail, ended_wall_ms = NULL,
         first_wall_ms = CASE WHEN ended_wall_ms IS NULL THEN first_wall_ms ELSE excluded.first_wall_ms END`,
      alarm.kind,
      held ? 1 : 0,
      alarm.detail,
      nowWallMs,
    );
  });
  return !stands;
}

/** Ends alarms whose cause is gone; true when one of them stood. */
export function endOwnAlarms(state: Database, kinds: readonly OwnAlarmKind[], nowWallMs: number): boolean {
  const standing = kinds.filter((kind) => findAlarm(state, kind)?.endedWallMs === null);
  if (standing.length === 0) return false;
  state.transaction(() => {
    for (const kind of standing) endAll(state, nowWallMs, "kind = ?", kind);
  });
  return true;
}

function endAll(state: Database, nowWallMs: number, where: string, kind: OwnAlarmKind): void {
  state.run(
    `UPDATE own_alarms SET ended_wall_ms = ? WHERE ended_wall_ms IS NULL AND ${where}`,
    nowWallMs,
    kind,
  );
}

/** What stops this server now, or null. */
export function holdOf(state: Database): Hold | null {
  const row = state.get<AlarmRow>(
    "SELECT * FROM own_alarms WHERE held = 1 AND ended_wall_ms IS NULL LIMIT 1",
  );
  const alarm = row === null ? null : toAlarm(row);
  return alarm !== null && isHoldKind(alarm.kind) ? { ...alarm, kind: alarm.kind } : null;
}

/** All that stands, and what ended lately, holds first. A hold that ended is over, and no longer shown. */
export function listOwnAlarms(state: Database, nowWallMs: number): OwnAlarm[] {
  return state
    .all<AlarmRow>(
      `SELECT * FROM own_alarms WHERE ended_wall_ms IS NULL OR (held = 0 AND ended_wall_ms > ?)
       ORDER BY held DESC, kind`,
      nowWallMs - SHOWN_MS,
    )
    .map(toAlarm);
}

function findAlarm(state: Database, kind: OwnAlarmKind): OwnAlarm | null {
  const row = state.get<AlarmRow>("SELECT * FROM own_alarms WHERE kind = ?", kind);
  return row === null ? null : toAlarm(row);
}
