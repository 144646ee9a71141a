import type { GitStore } from "../../base/ports/git-store.ts";
import { parseCard } from "./card.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import {
  addQuarantine,
  clearAlarm,
  listCards,
  loadProgress,
  raiseAlarm,
  type StoredCard,
  saveCard,
} from "./message-index.ts";
import { LIMITS } from "./model.ts";
import { findPeer, setCardNumber, setGroups } from "./peers.ts";
import { fromOpenSsh, verifySsh } from "./ssh-signature.ts";

/**
 * Takes the cards that changed: only of servers whose key is pinned, only when signed by it, only with a higher
 * number. Raises an alarm where a card speaks of entries that its log does not show, and ends it when it does again.
 */
export async function receiveCards(ports: ReceivePorts): Promise<number> {
  const known = new Map(listCards(ports.index).map((card) => [card.server, card]));
  let taken = 0;
  for (const [ref, commit] of ports.store.readRefs(TRACKING.state)) {
    const server = ref.slice(TRACKING.state.length);
    if (server === ports.identity.server || known.get(server)?.commitId === commit) continue;
    if (await takeCard(ports, server, commit)) taken += 1;
  }
  checkHeads(ports, listCards(ports.index));
  return taken;
}

async function takeCard(ports: ReceivePorts, server: string, commit: string): Promise<boolean> {
  const { state, index, clock, cryptography } = ports;
  const peer = findPeer(state, server);
  const key = peer === null ? null : fromOpenSsh(peer.publicKey);
  // A card without a log is not a member yet: the log comes first and pins the key.
  if (peer === null || key === null) return false;
  const nowWallMs = clock.wallMs();
  const quarantine = (reason: string): boolean => {
    index.transaction(() => addQuarantine(index, { server, place: commit, reason }, nowWallMs));
    return false;
  };
  const { json, signature } = await readCard(ports.store, commit);
  if (json === null || signature === null) return quarantine("card or its signature is missing or too large");
  const good = await verifySsh(json, signature, { namespace: "fleetd-card", publicKey: key, cryptography });
  if (!good) return quarantine("signature of the card is missing or wrong");
  const card = parseCard(json, server);
  if (!card.ok) return quarantine(card.error);
  if (card.value.fleet !== ports.identity.fleet) return quarantine("card is for another fleet");
  // An index made anew has no card: then the last one taken is taken once more.
  const stored = listCards(index).find((one) => one.server === server);
  // The daemon and commands look at the same cards; another process was quicker.
  if (stored?.commitId === commit) return false;
  if (card.value.n < peer.cardN || (stored !== undefined && card.value.n <= stored.card.n)) {
    return quarantine(`card ${card.value.n} is not newer than ${peer.cardN}: replayed`);
  }
  state.relaxedTransaction(() => {
    setCardNumber(state, server, card.value.n);
    setGroups(state, server, card.value.groups);
  });
  index.transaction(() =>
    saveCard(index, { server, commitId: commit, card: card.value, receivedWallMs: nowWallMs }),
  );
  return true;
}

/** The bytes of a card and its signature; null for what is missing or over its limit. */
export async function readCard(
  store: GitStore,
  commit: string,
): Promise<{ json: Uint8Array | null; signature: Uint8Array | null }> {
  const [[json], [signature]] = await Promise.all([
    store.readObjects([`${commit}:card.json`], LIMITS.cardBytesMax),
    store.readObjects([`${commit}:card.sig`], LIMITS.signatureBytesMax),
  ]);
  return {
    json: json?.status === "found" ? json.content : null,
    signature: signature?.status === "found" ? signature.content : null,
  };
}

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
