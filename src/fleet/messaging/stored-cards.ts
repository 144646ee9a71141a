/** The last card of every other server, as `index.db` holds it. Writes are inside the caller's transaction. */
import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { Card } from "./card.ts";

/** A card as it was last taken. */
export interface StoredCard {
  readonly server: string;
  readonly commitId: string;
  readonly card: Card;
  readonly receivedWallMs: number;
}

/** Stores the newest card of a server. */
export function saveCard(index: Database, stored: StoredCard): void {
  index.run(
    "INSERT OR REPLACE INTO cards(server, n, commit_id, json, received_wall_ms) VALUES(?, ?, ?, ?, ?)",
    stored.server,
    stored.card.n,
    stored.commitId,
    JSON.stringify(stored.card),
    stored.receivedWallMs,
  );
}

type CardRow = { server: string; commit_id: string; json: string; received_wall_ms: number };
const CARDS = "SELECT server, commit_id, json, received_wall_ms FROM cards";

/** The last card of every server, by name. */
export const listCards = (index: Database): StoredCard[] =>
  index.all<CardRow>(`${CARDS} ORDER BY server`).map((row) => toStoredCard(index, row));

/** The last card of one server, or null. */
export function findCard(index: Database, server: string): StoredCard | null {
  const row = index.get<CardRow>(`${CARDS} WHERE server = ?`, server);
  return row === null ? null : toStoredCard(index, row);
}

/** Cards as they were read last: every look asks for all of them, and few have changed. */
const readBefore = new WeakMap<Database, Map<string, { readonly json: string; readonly card: Card }>>();

function toStoredCard(index: Database, row: CardRow): StoredCard {
  const known = readBefore.get(index) ?? new Map<string, { readonly json: string; readonly card: Card }>();
  readBefore.set(index, known);
  const before = known.get(row.server);
  // Stored by `saveCard` after `parseCard` had accepted it.
  const isSame = before?.json === row.json;
  const card = isSame ? before.card : (readStoredJson(row.json, "a card in index.db") as Card);
  if (!isSame) known.set(row.server, { json: row.json, card });
  return { server: row.server, commitId: row.commit_id, card, receivedWallMs: row.received_wall_ms };
}
