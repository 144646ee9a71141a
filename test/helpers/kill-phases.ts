/**
 * Where a kill met fleetd, read from what the dead left: the databases of the servers and the log on the remote. The
 * suite prints how often each phase was met, so that nobody has to believe that random moments come everywhere.
 */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { readLogs } from "./fleet-evidence.ts";
import type { FleetSandbox } from "./fleet-sandbox.ts";

/** How far a message had come when its sender was killed. */
export const SEND_PHASES = [
  "send: nothing accepted yet",
  "send: accepted, no batch built",
  "flush: batch built, not on the remote",
  "flush: on the remote, not confirmed here",
  "flush: confirmed, not answered yet",
] as const;

/** How far a message had come when its recipient was killed. */
export const RECEIVE_PHASES = [
  "receive: not on the remote yet",
  "receive: on the remote, not taken in",
  "handle: taken in, not answered",
  "handle: answered, batch not built or not pushed",
  "handle: answer on the remote, not confirmed here",
  "handle: answer confirmed",
] as const;

/** How far a log had come that was being shortened when its server was killed. */
export const COMPACT_PHASES = [
  "compact: no shortened log built",
  "compact: built, not noted",
  "compact: noted, not on the remote",
  "compact: on the remote, not taken for the own",
  "compact: taken for the own, not answered yet",
] as const;

export type CompactPhase = (typeof COMPACT_PHASES)[number];
export type SendPhase = (typeof SEND_PHASES)[number];
export type ReceivePhase = (typeof RECEIVE_PHASES)[number];

/** The phase of the send of `body` by `server`. */
export function phaseOfSend(sandbox: FleetSandbox, server: string, body: string): SendPhase {
  const { state } = sandbox.filesOf(server);
  // A text leaves the outbox once the remote confirmed it, so it is asked for by the id that is on the remote.
  const entry = readLogs(sandbox).find((one) => one.writer === server && one.body === body);
  const row =
    entry === undefined
      ? ask<{ state: string }>(
          state,
          "SELECT state FROM outbox WHERE instr(draft, ?) > 0",
          `"body":"${body}"`,
        )
      : ask<{ state: string }>(state, "SELECT state FROM outbox WHERE id = ?", entry.id);
  if (row === null) return "send: nothing accepted yet";
  if (row.state === "queued") return "send: accepted, no batch built";
  if (row.state === "pushed") return "flush: confirmed, not answered yet";
  return entry === undefined
    ? "flush: batch built, not on the remote"
    : "flush: on the remote, not confirmed here";
}

/** The phase of the question `body` from `sender` at the server that answers. */
export function phaseOfReceive(
  sandbox: FleetSandbox,
  message: { readonly sender: string; readonly body: string },
  server: string,
): ReceivePhase {
  const entries = readLogs(sandbox);
  const question = entries.find((one) => one.writer === message.sender && one.body === message.body);
  if (question === undefined) return "receive: not on the remote yet";
  const { state, index } = sandbox.filesOf(server);
  const sql = "SELECT reply_id AS reply FROM journal WHERE message_id = ?";
  const answer = ask<{ reply: string }>(state, sql, question.id);
  if (answer === null) {
    const taken = ask(index, "SELECT 1 FROM entries WHERE id = ?", question.id);
    return taken === null ? "receive: on the remote, not taken in" : "handle: taken in, not answered";
  }
  const row = ask<{ state: string }>(state, "SELECT state FROM outbox WHERE id = ?", answer.reply);
  if (row?.state === "pushed") return "handle: answer confirmed";
  return entries.some((one) => one.id === answer.reply)
    ? "handle: answer on the remote, not confirmed here"
    : "handle: answered, batch not built or not pushed";
}

/** The tip of the log of `server` on the remote. */
export const tipOf = ({ temp, remote }: FleetSandbox, server: string): string =>
  temp.git(remote, "rev-parse", `refs/fleet/log/${server}`);

/** The phase of a `compact` by `server` that began when its log on the remote stood on `from`. */
export function phaseOfCompact(sandbox: FleetSandbox, server: string, from: string): CompactPhase {
  const { state, store } = sandbox.filesOf(server);
  const noted = ask(state, "SELECT 1 FROM compactions WHERE from_tip = ?", from);
  if (tipOf(sandbox, server) !== from) {
    return noted === null
      ? "compact: taken for the own, not answered yet"
      : "compact: on the remote, not taken for the own";
  }
  if (noted !== null) return "compact: noted, not on the remote";
  return sandbox.temp.git(store, "for-each-ref", "refs/own/shortened") === ""
    ? "compact: no shortened log built"
    : "compact: built, not noted";
}

function ask<Row>(path: string, sql: string, parameter: string): Row | null {
  if (!existsSync(path)) return null;
  const database = new Database(path, { readwrite: true });
  try {
    return database.query<Row, [string]>(sql).get(parameter);
  } finally {
    database.close();
  }
}
