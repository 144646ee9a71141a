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

function ask<Row>(path: string, sql: string, parameter: string): Row | null {
  if (!existsSync(path)) return null;
  const database = new Database(path, { readwrite: true });
  try {
    return database.query<Row, [string]>(sql).get(parameter);
  } finally {
    database.close();
  }
}
