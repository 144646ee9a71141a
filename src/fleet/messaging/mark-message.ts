import { toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import { derivedId } from "./ids.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import type { MessageEntry, ReceiptState } from "./model.ts";
import { enqueue } from "./outbox.ts";

type MarkPorts = Pick<SendPorts, "state" | "identity" | "clock" | "cryptography">;

/** Somebody's message, and whether it is older than this server's part in the fleet. */
interface Markable {
  readonly message: MessageEntry;
  readonly history: boolean;
}

/**
 * Notes that a message was read (or acknowledged) here, and queues the receipt that tells its sender. Each happens
 * once per message; false when it had happened before. Read and acknowledged are different things: neither implies
 * the other. History is marked without a receipt, since nobody waits for one.
 */
export const markMessage = (
  ports: MarkPorts,
  one: Markable,
  state: Extract<ReceiptState, "read" | "acked">,
): boolean => ports.state.transaction(() => noteMark(ports, one, state));

/** As `markMessage`, inside the caller's transaction. */
export function noteMark(
  ports: MarkPorts,
  one: Markable,
  state: Extract<ReceiptState, "read" | "acked">,
): boolean {
  const { identity, clock } = ports;
  const { from, id } = one.message;
  const nowWallMs = clock.wallMs();
  if (!setMark(ports.state, { from, id, state, nowWallMs })) return false;
  if (!one.history && from !== identity.server) queueReceipt(ports, { message: { from, id }, state });
  return true;
}

/**
 * Queues the receipt that tells a sender what became of a message, once per message and state. Inside the caller's
 * transaction.
 */
export function queueReceipt(
  { state, identity, clock, cryptography }: MarkPorts,
  receipt: {
    readonly message: { readonly from: string; readonly id: string };
    readonly state: ReceiptState;
    readonly exitCode?: number;
  },
): void {
  const { from, id } = receipt.message;
  const nowWallMs = clock.wallMs();
  const own = derivedId("receipt", [receipt.state, identity.server, from, id], cryptography);
  const body = {
    type: "receipt",
    message: id,
    message_from: from,
    state: receipt.state,
    ...(receipt.exitCode === undefined ? {} : { exit_code: receipt.exitCode }),
  } as const;
  enqueue(state, { id: own, at: toInstant(nowWallMs), body }, nowWallMs);
}

function setMark(
  database: Database,
  mark: { from: string; id: string; state: "read" | "acked"; nowWallMs: number },
): boolean {
  const column = mark.state === "read" ? "read_wall_ms" : "acked_wall_ms";
  const sql = `INSERT INTO marks(message_from, message_id, ${column}) VALUES(?, ?, ?)
    ON CONFLICT(message_from, message_id) DO UPDATE SET ${column} = excluded.${column} WHERE ${column} IS NULL`;
  return database.run(sql, mark.from, mark.id, mark.nowWallMs) === 1;
}
