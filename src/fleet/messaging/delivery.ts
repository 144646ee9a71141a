import type { Database } from "../../base/ports/database.ts";
import { hasPassed } from "./card.ts";
import { listCards } from "./message-index.ts";
import type { ReceiptState } from "./model.ts";
import { outboxItem } from "./outbox.ts";

/** How far a message got with one recipient; each state includes the ones before it, except that read and acked are independent. */
export type DeliveryState = "queued" | "pushed" | "seen" | "read" | "acked" | "handled";

/** The states of one sent message. `recipients` is the expected set, plus whoever else told of it. */
export interface Delivery {
  readonly state: "queued" | "pushed";
  readonly recipients: readonly Recipient[];
}

export interface Recipient {
  readonly server: string;
  readonly state: DeliveryState;
  /** Everything the recipient said, in the order of the format. */
  readonly receipts: readonly ReceiptState[];
  readonly exitCode: number | null;
}

type ReceiptRow = { server: string; state: ReceiptState; exit_code: number | null };

/** Where a message of this server is, from the remote's answer, the recipients' cards and their receipts. */
export function deliveryOf(state: Database, index: Database, own: { server: string; id: string }): Delivery {
  const item = outboxItem(state, own.id);
  const isPushed = item === null || item.state === "pushed";
  const place = placeOf(index, own) ?? {
    epoch: item?.epoch ?? "",
    seq: item?.seq ?? Number.MAX_SAFE_INTEGER,
  };
  const cards = new Map(listCards(index).map((stored) => [stored.server, stored.card]));
  const receipts = index.all<ReceiptRow>(
    "SELECT server, state, exit_code FROM receipts WHERE message_from = ? AND message_id = ? ORDER BY at",
    own.server,
    own.id,
  );
  const expected = state.all<{ server: string }>("SELECT server FROM expected WHERE message_id = ?", own.id);
  const servers = new Set([...expected, ...receipts].map((row) => row.server));
  const recipients = [...servers].sort().map((server): Recipient => {
    const said = receipts.filter((row) => row.server === server);
    const isSeen = isPushed && hasPassed(cards.get(server)?.cursors[own.server], place);
    return {
      server,
      state: strongest(said, isSeen ? "seen" : isPushed ? "pushed" : "queued"),
      receipts: said.map((row) => row.state),
      exitCode: said.find((row) => row.exit_code !== null)?.exit_code ?? null,
    };
  });
  return { state: isPushed ? "pushed" : "queued", recipients };
}

function placeOf(
  index: Database,
  own: { server: string; id: string },
): { epoch: string; seq: number } | null {
  const sql = "SELECT epoch, seq FROM entries WHERE id = ? AND writer = ?";
  return index.get<{ epoch: string; seq: number }>(sql, own.id, own.server);
}

const STRENGTH: readonly ReceiptState[] = ["handled", "acked", "read"];

function strongest(said: readonly ReceiptRow[], otherwise: DeliveryState): DeliveryState {
  return STRENGTH.find((state) => said.some((row) => row.state === state)) ?? otherwise;
}
