import { toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import { derivedId } from "./ids.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import type { MessageEntry, ReceiptState } from "./model.ts";
import { enqueue } from "./outbox.ts";

/**
 * Notes that a message was read (or acknowledged) here, and queues the receipt that tells its sender. Each happens
 * once per message; false when it had happened before. Read and acknowledged are different things: neither implies
 * the other. History is marked without a receipt, since nobody waits for one.
 */
export function markMessage(
  ports: Pick<SendPorts, "state" | "identity" | "clock" | "cryptography">,
  one: { readonly message: MessageEntry; readonly history: boolean },
  state: Extract<ReceiptState, "read" | "acked">,
): boolean {
  const { identity, clock, cryptography } = ports;
  const { from, id } = one.message;
  return ports.state.transaction(() => {
    const nowWallMs = clock.wallMs();
    if (!setMark(ports.state, { from, id, state, nowWallMs })) return false;
    if (one.history || from === identity.server) return true;
    const receipt = derivedId("receipt", [state, identity.server, from, id], cryptography);
    const body = { type: "receipt", message: id, message_from: from, state } as const;
    enqueue(ports.state, { id: receipt, at: toInstant(nowWallMs), body }, nowWallMs);
    return true;
  });
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
