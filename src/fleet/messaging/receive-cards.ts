import { FleetError } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import { type Card, parseCard } from "./card.ts";
import { keysOfLog } from "./former-keys.ts";
import {
  addQuarantine,
  clearAlarm,
  raiseAlarm,
  removeQuarantine,
  serversWithAlarm,
} from "./index-troubles.ts";
import { UNREADABLE_CARD } from "./ingest-log.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { loadProgress } from "./message-index.ts";
import { LIMITS } from "./model.ts";
import { findPeer, notePassed, setCardNumber, setGroups } from "./peers.ts";
import { fromOpenSsh, verifySsh } from "./ssh-signature.ts";
import { findCard, listCards, type StoredCard, saveCard } from "./stored-cards.ts";
import { trustOf } from "./trust.ts";

/** Cards that are read with one question; chosen, it bounds memory at 4 MiB. */
const CARDS_AT_ONCE = 64;

/**
 * Takes the cards that changed: only of servers whose key is pinned, only when signed by it, only with a higher
 * number. Raises an alarm where a card speaks of entries that its log does not show, and ends it when it does again.
 */
export async function receiveCards(ports: ReceivePorts): Promise<number> {
  const known = new Map(listCards(ports.index).map((card) => [card.server, card]));
  const moved = [...ports.store.readRefs(TRACKING.state)]
    .map(([ref, commit]) => ({ server: ref.slice(TRACKING.state.length), commit }))
    .filter(
      ({ server, commit }) => server !== ports.identity.server && known.get(server)?.commitId !== commit,
    );
  let taken = 0;
  const unread = new Map<string, string>();
  for (let start = 0; start < moved.length; start += CARDS_AT_ONCE) {
    const some = moved.slice(start, start + CARDS_AT_ONCE);
    const read = await readEach(
      ports.store,
      some.map(({ commit }) => commit),
    );
    for (const [position, { server, commit }] of some.entries()) {
      const card = read[position] ?? NO_CARD;
      if (typeof card === "string") unread.set(server, card);
      else if (await takeCard(ports, server, { commit, ...card })) taken += 1;
    }
  }
  settleUnread(ports, unread);
  checkHeads(ports, listCards(ports.index));
  return taken;
}

async function takeCard(
  ports: ReceivePorts,
  server: string,
  { commit, json, signature }: ReadCard & { readonly commit: string },
): Promise<boolean> {
  const { state, index, clock, cryptography } = ports;
  const peer = findPeer(state, server);
  const key = peer === null ? null : fromOpenSsh(peer.publicKey);
  // A card without a log is not a member yet: the log comes first and pins the key.
  if (peer === null || key === null || trustOf(ports, server).kind !== "accepted") return false;
  const nowWallMs = clock.wallMs();
  const quarantine = (reason: string): boolean => {
    index.transaction(() => addQuarantine(index, { server, place: commit, reason }, nowWallMs));
    return false;
  };
  if (json === null || signature === null) return quarantine("card or its signature is missing or too large");
  const good = await verifySsh(json, signature, { namespace: "fleetd-card", publicKey: key, cryptography });
  if (!good) return quarantine("signature of the card is missing or wrong");
  const card = parseCard(json, server);
  if (!card.ok) return quarantine(card.error);
  if (card.value.fleet !== ports.identity.fleet) return quarantine("card is for another fleet");
  if (card.value.public_key !== peer.publicKey) return quarantine("card names another key than its own");
  // An index made anew has no card: then the last one taken is taken once more.
  const stored = findCard(index, server);
  // The daemon and commands look at the same cards; another process was quicker.
  if (stored?.commitId === commit) return false;
  const newest = stored !== null && isOfLog(state, stored.card, server) ? stored.card.n : 0;
  if (card.value.n < peer.cardN || card.value.n <= newest) {
    return quarantine(`card ${card.value.n} is not newer than ${peer.cardN}: replayed`);
  }
  state.relaxedTransaction(() => {
    setCardNumber(state, server, card.value.n);
    setGroups(state, server, card.value.groups);
    const passed = card.value.cursors[ports.identity.server];
    if (passed !== undefined) notePassed(state, server, passed, card.value.at);
  });
  index.transaction(() => {
    saveCard(index, { server, commitId: commit, card: card.value, receivedWallMs: nowWallMs });
    // Signed by a new key, it may have been seen before the log that names that key.
    removeQuarantine(index, server, [commit]);
  });
  return true;
}

/** Whether a card was signed by a key of the log that counts now, and not by one that the operator replaced. */
const isOfLog = (state: Database, card: Card, server: string): boolean =>
  keysOfLog(state, server).includes(card.public_key);

/** The bytes of a card and its signature; null for what is missing or over its limit. */
export interface ReadCard {
  readonly json: Uint8Array | null;
  readonly signature: Uint8Array | null;
}

const NO_CARD: ReadCard = { json: null, signature: null };

/** As `readCards`; in the place of one that cannot be read stands why, and it keeps no other waiting. */
async function readEach(store: GitStore, commits: readonly string[]): Promise<(ReadCard | string)[]> {
  try {
    return await readCards(store, commits);
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    const [only] = commits;
    if (commits.length <= 1) return only === undefined ? [] : [thrown.message];
  }
  const read: (ReadCard | string)[] = [];
  for (const commit of commits) read.push(...(await readEach(store, [commit])));
  return read;
}

/** Raises an alarm for each card that cannot be read, and ends those whose cause is gone. */
function settleUnread({ index, clock }: ReceivePorts, unread: ReadonlyMap<string, string>): void {
  const alarmed = serversWithAlarm(index, [UNREADABLE_CARD]);
  if (alarmed.size + unread.size === 0) return;
  index.transaction(() => {
    for (const server of alarmed) if (!unread.has(server)) clearAlarm(index, server, UNREADABLE_CARD);
    for (const [server, detail] of unread)
      raiseAlarm(index, { server, kind: UNREADABLE_CARD, detail }, clock.wallMs());
  });
}

/** The cards that these commits hold, in order. */
async function readCards(store: GitStore, commits: readonly string[]): Promise<ReadCard[]> {
  const [cards, signatures] = await Promise.all([
    store.readObjects(
      commits.map((commit) => `${commit}:card.json`),
      LIMITS.cardBytesMax,
    ),
    store.readObjects(
      commits.map((commit) => `${commit}:card.sig`),
      LIMITS.signatureBytesMax,
    ),
  ]);
  return commits.map((_, position) => {
    const [json, signature] = [cards[position], signatures[position]];
    return {
      json: json?.status === "found" ? json.content : null,
      signature: signature?.status === "found" ? signature.content : null,
    };
  });
}

/** The bytes of one card and its signature. */
export const readCard = async (store: GitStore, commit: string): Promise<ReadCard> =>
  (await readCards(store, [commit]))[0] ?? NO_CARD;

function checkHeads(ports: ReceivePorts, cards: readonly StoredCard[]): void {
  const { index, clock } = ports;
  for (const { server, card } of cards) {
    const progress = loadProgress(index, server);
    const hidden = progress !== null && progress.epoch === card.log.epoch && progress.seq < card.log.seq;
    if (hidden) {
      const detail = `its card speaks of entry ${card.log.seq}, its log ends at ${progress.seq}: somebody hides messages`;
      raiseAlarm(index, { server, kind: "hidden", detail }, clock.wallMs());
    } else {
      clearAlarm(index, server, "hidden");
    }
  }
}
