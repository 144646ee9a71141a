/** What `index.db` holds of what was refused, and of what is wrong with the logs of others. Inside the caller's transaction. */
import type { Database } from "../../base/ports/database.ts";

/** Something of a server that was not taken, and why. `place`: a commit id, or `"<epoch>:<seq>"`. */
export interface Quarantined {
  readonly server: string;
  readonly place: string;
  readonly reason: string;
}

/** Records what was refused; the first reason for a place stays. */
export function addQuarantine(index: Database, one: Quarantined, nowWallMs: number): void {
  index.run(
    "INSERT OR IGNORE INTO quarantine(server, place, reason, seen_wall_ms) VALUES(?, ?, ?, ?)",
    one.server,
    one.place,
    one.reason,
    nowWallMs,
  );
}

/** Forgets what was refused at these places: it was taken after all. */
export function removeQuarantine(index: Database, server: string, places: readonly string[]): void {
  for (const place of places) {
    index.run("DELETE FROM quarantine WHERE server = ? AND place = ?", server, place);
  }
}

/** Whether anything of a server was refused. */
export const hasRefused = (index: Database, server: string): boolean =>
  index.get("SELECT 1 FROM quarantine WHERE server = ? LIMIT 1", server) !== null;

/**
 * Has the logs of which something was refused read once more, from their beginning; to be called when damage was mended,
 * since what could not be read may have looked like what its writer never wrote.
 */
export function readRefusedAgain(index: Database): void {
  const untrusted = UNTRUSTED.map(() => "?").join(", ");
  const refused = `SELECT server FROM quarantine WHERE reason NOT IN (${untrusted})`;
  index.transaction(() => index.run(`DELETE FROM progress WHERE writer IN (${refused})`, ...UNTRUSTED));
}

/** Everything refused, newest first. */
export function listQuarantine(index: Database): (Quarantined & { readonly seenWallMs: number })[] {
  return index
    .all<{ server: string; place: string; reason: string; seen_wall_ms: number }>(
      "SELECT server, place, reason, seen_wall_ms FROM quarantine ORDER BY seen_wall_ms DESC, server, place",
    )
    .map(({ seen_wall_ms, ...one }) => ({ ...one, seenWallMs: seen_wall_ms }));
}

/** Reasons of what was put aside because its server is not trusted; any number of commits is one fact. */
const UNTRUSTED: readonly string[] = ["revoked", "purged"];

/** What was refused, in words and newest first; what comes of one server that is not trusted is told once. */
export function describeQuarantine(
  index: Database,
): { readonly server: string; readonly evidence: string; readonly isUntrusted: boolean }[] {
  const all = listQuarantine(index);
  const isUntrusted = ({ reason }: Quarantined): boolean => UNTRUSTED.includes(reason);
  const counts = Map.groupBy(all.filter(isUntrusted), ({ server, reason }) => `${server} ${reason}`);
  const untrusted = [...counts.values()].flatMap((some) => {
    const [one] = some;
    if (one === undefined) return [];
    const what = some.length === 1 ? "1 batch was" : `${some.length} batches were`;
    const evidence = `quarantined: ${what} put aside, since it is ${one.reason}`;
    return [{ server: one.server, evidence, isUntrusted: true }];
  });
  const others = all.filter((one) => !isUntrusted(one));
  return [
    ...others.map(({ server, place, reason }) => {
      return { server, evidence: `quarantined ${place.slice(0, 12)}: ${reason}`, isUntrusted: false };
    }),
    ...untrusted,
  ];
}

/** Something that an operator should look at. `rounds`: in how many looks at the remote it was so. */
export interface Alarm {
  readonly server: string;
  readonly kind: string;
  readonly detail: string;
}

/** Raises an alarm or counts it once more. */
export function raiseAlarm(index: Database, alarm: Alarm, nowWallMs: number): void {
  index.run(
    `INSERT INTO alarms(server, kind, detail, first_wall_ms, rounds) VALUES(?, ?, ?, ?, 1)
     ON CONFLICT(server, kind) DO UPDATE SET rounds = rounds + 1, detail = excluded.detail`,
    alarm.server,
    alarm.kind,
    alarm.detail,
    nowWallMs,
  );
}

/** Whether an alarm stands with exactly this detail, however often it was seen. */
export const isRaised = (index: Database, { server, kind, detail }: Alarm): boolean =>
  index.get("SELECT 1 FROM alarms WHERE server = ? AND kind = ? AND detail = ?", server, kind, detail) !==
  null;

/** The alarms of these kinds that were raised for the first time a moment ago. */
export const freshAlarms = (index: Database, kinds: readonly string[]): Alarm[] =>
  index
    .all<{ server: string; kind: string; detail: string }>(
      "SELECT server, kind, detail FROM alarms WHERE rounds = 1 ORDER BY server, kind",
    )
    .filter(({ kind }) => kinds.includes(kind));

/** Whether an alarm was raised often enough to be listed: whoever raises it at every look need not do so again. */
export const isLasting = (index: Database, server: string, kind: string): boolean =>
  index.get("SELECT 1 FROM alarms WHERE server = ? AND kind = ? AND rounds >= 2", server, kind) !== null;

/** Ends an alarm whose cause is gone. Called at every look, so it writes only when there is one. */
export function clearAlarm(index: Database, server: string, kind: string): void {
  const where = "FROM alarms WHERE server = ? AND kind = ?";
  if (index.get(`SELECT 1 ${where}`, server, kind) !== null) index.run(`DELETE ${where}`, server, kind);
}

/** Ends the alarms of a kind that were first raised before `beforeWallMs`. Called at every look. */
export function endAlarms(index: Database, kind: string, beforeWallMs: number): void {
  const where = "FROM alarms WHERE kind = ? AND first_wall_ms < ?";
  if (index.get(`SELECT 1 ${where}`, kind, beforeWallMs) === null) return;
  index.transaction(() => index.run(`DELETE ${where}`, kind, beforeWallMs));
}

/** The servers of which an alarm of one of these kinds is known, however often it was so. */
export function serversWithAlarm(index: Database, kinds: readonly string[]): Set<string> {
  const rows = index.all<{ server: string; kind: string }>("SELECT server, kind FROM alarms");
  return new Set(rows.filter((row) => kinds.includes(row.kind)).map((row) => row.server));
}

/** Alarms that stood for at least two looks: refs are not fetched at one instant, so once may be chance. */
export const listAlarms = (index: Database): (Alarm & { readonly rounds: number })[] =>
  index.all<{ server: string; kind: string; detail: string; rounds: number }>(
    "SELECT server, kind, detail, rounds FROM alarms WHERE rounds >= 2 ORDER BY server, kind",
  );
