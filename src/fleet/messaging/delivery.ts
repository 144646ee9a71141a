import type { Database } from "../../base/ports/database.ts";
import { hasPassed } from "./card.ts";
import { type Cursor, parseServerId, type ReceiptState } from "./model.ts";
import { type OutboxItem, outboxItem } from "./outbox.ts";
import { passedAt } from "./peers.ts";
import { listCards } from "./stored-cards.ts";

/**
 * How far a message got with one recipient; each state includes the ones before it, except that read and acked are
 * independent. `expired`: its time was over before the recipient saw it. `refused`, `dead`: the remote did not take it.
 */
export type DeliveryState =
  | "queued"
  | "refused"
  | "dead"
  | "expired"
  | "pushed"
  | "seen"
  | "read"
  | "acked"
  | "handled";

/** The states of one sent message. `recipients` is the expected set, plus whoever else told of it. */
export interface Delivery {
  readonly state: Extract<DeliveryState, "queued" | "refused" | "dead" | "expired" | "pushed">;
  /** Why the last push failed, hostile text; empty when none did. */
  readonly reason: string;
  readonly recipients: readonly Recipient[];
}

export interface Recipient {
  readonly server: string;
  readonly state: DeliveryState;
  /** Everything the recipient said, in the order of the format. */
  readonly receipts: readonly ReceiptState[];
  readonly exitCode: number | null;
  /** When each state was reached, by the recipient's clock. */
  readonly times: Readonly<Partial<Record<"seen" | ReceiptState, string>>>;
  /** The group for which it was expected, as its card said when the message was sent; empty for any other reason. */
  readonly via: string;
  /** When the recipient was last heard of, by its clock; null for never. */
  readonly lastSeenAt: string | null;
}

type ReceiptRow = { server: string; state: ReceiptState; exit_code: number | null; at: string };

/** One sent message. `expired`: by now its recipients pass it over. */
export interface OwnMessage {
  readonly server: string;
  readonly id: string;
  readonly expired?: boolean;
}

/** Where a message of this server is, from the remote's answer, the recipients' cards and their receipts. */
export function deliveryOf(state: Database, index: Database, own: OwnMessage): Delivery {
  const item = outboxItem(state, own.id);
  const sent = sentState(item);
  const place = placeOf(index, own) ?? {
    epoch: item?.epoch ?? "",
    seq: item?.seq ?? Number.MAX_SAFE_INTEGER,
  };
  const cards = new Map(listCards(index).map((stored) => [stored.server, stored.card]));
  const receipts = index.all<ReceiptRow>(
    "SELECT server, state, exit_code, at FROM receipts WHERE message_from = ? AND message_id = ? ORDER BY at",
    own.server,
    own.id,
  );
  const expected = new Map(
    state
      .all<{ server: string; via: string }>("SELECT server, via FROM expected WHERE message_id = ?", own.id)
      .map((row) => [row.server, row.via]),
  );
  // Of an old message it is not kept for whom it was; whom it names, it still says itself.
  const named = item === null && expected.size === 0 ? namedBy(index, own) : [];
  const servers = new Set([...expected.keys(), ...named, ...receipts.map((row) => row.server)]);
  const recipients = [...servers].sort().map((server): Recipient => {
    const said = receipts.filter((row) => row.server === server);
    const card = cards.get(server);
    const passed = card?.cursors[own.server];
    const isSeen =
      sent === "pushed" && (hasPassed(passed, place) || isPastEpoch(index, own, { place, passed }));
    const unseen = sent === "pushed" && own.expired === true ? "expired" : sent;
    return {
      server,
      state: strongest(said, isSeen ? "seen" : unseen),
      receipts: said.map((row) => row.state),
      exitCode: said.find((row) => row.exit_code !== null)?.exit_code ?? null,
      times: timesOf(said, isSeen ? passedAt(state, server, place) : null),
      via: expected.get(server) ?? "",
      lastSeenAt: card?.at ?? null,
    };
  });
  return { state: sent, reason: sent === "pushed" ? "" : (item?.reason ?? ""), recipients };
}

/** What is not in the outbox was written by an earlier life of this server, and is on the remote. */
export function sentState(item: OutboxItem | null): Delivery["state"] {
  if (item === null || item.state === "pushed") return "pushed";
  if (item.state === "dead" || item.state === "expired") return item.state;
  return item.state === "queued" && item.refused > 0 ? "refused" : "queued";
}

function timesOf(said: readonly ReceiptRow[], seenAt: string | null): Recipient["times"] {
  const times: Partial<Record<"seen" | ReceiptState, string>> = seenAt === null ? {} : { seen: seenAt };
  for (const { state, at } of said) times[state] ??= at;
  return times;
}

/** Whoever reads a later epoch has read all of the earlier ones. */
function isPastEpoch(
  index: Database,
  { server }: OwnMessage,
  { place, passed }: { readonly place: { readonly epoch: string }; readonly passed: Cursor | undefined },
): boolean {
  if (passed === undefined || passed.epoch === place.epoch) return false;
  const begin = (epoch: string): number | null =>
    index.get<{ position: number | null }>(
      "SELECT min(position) AS position FROM entries WHERE writer = ? AND epoch = ?",
      server,
      epoch,
    )?.position ?? null;
  const [own, theirs] = [begin(place.epoch), begin(passed.epoch)];
  return own !== null && theirs !== null && own < theirs;
}

function placeOf(
  index: Database,
  own: { server: string; id: string },
): { epoch: string; seq: number } | null {
  const sql = "SELECT epoch, seq FROM entries WHERE id = ? AND writer = ?";
  return index.get<{ epoch: string; seq: number }>(sql, own.id, own.server);
}

function namedBy(index: Database, own: { server: string; id: string }): string[] {
  const sql = `SELECT one.value AS server FROM entries, json_each(entries.json, '$.to') AS one
    WHERE entries.id = ? AND entries.writer = ? AND entries.type = 'message'`;
  return index
    .all<{ server: string }>(sql, own.id, own.server)
    .flatMap(({ server }) => (parseServerId(server).ok ? [server] : []));
}

const STRENGTH: readonly ReceiptState[] = ["handled", "acked", "read"];

function strongest(said: readonly ReceiptRow[], otherwise: DeliveryState): DeliveryState {
  return STRENGTH.find((state) => said.some((row) => row.state === state)) ?? otherwise;
}
