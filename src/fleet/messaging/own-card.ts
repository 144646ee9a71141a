/** The card that stands on the own state ref: whose it is, and what follows from that. */
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { ok, type Result } from "../../base/result.ts";
import { type Card, parseCard } from "./card.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { raiseOwnAlarm } from "./own-alarms.ts";
import { loadCardState, ownRuns, saveCardState } from "./publish-card.ts";
import { readCard } from "./receive-cards.ts";
import { pendingRotation } from "./rotate-key.ts";
import { fromOpenSsh, verifySsh } from "./ssh-signature.ts";

type CardPorts = Pick<SendPorts, "identity" | "state" | "store" | "cryptography">;

/**
 * `known`: the one that was published last, or none. `mine`: of a daemon of this state. `other`: signed with our key by
 * a daemon that this state does not know, and newer than any that stood there. `stranger`: anything else. An older one
 * of ours in another commit, too: anybody can have kept it, and a machine that runs with our key goes on from the newest.
 */
export type OwnCard =
  | { readonly kind: "known" | "stranger" }
  | { readonly kind: "mine" | "other"; readonly card: Card };

/** Judges the card of a commit that is in the store; null for a ref that is not there. */
export async function judgeOwnCard(ports: CardPorts, commit: string | null): Promise<OwnCard> {
  if (commit === null || commit === loadCardState(ports).commitId) return { kind: "known" };
  const { json, signature } = await readCard(ports.store, commit);
  if (json === null || signature === null) return { kind: "stranger" };
  const card = parseCard(json, ports.identity.server);
  if (!card.ok || !(await isOwn(ports, json, signature))) return { kind: "stranger" };
  if (ownRuns(ports).includes(card.value.run)) return { kind: "mine", card: card.value };
  return card.value.n > loadCardState(ports).seen
    ? { kind: "other", card: card.value }
    : { kind: "stranger" };
}

/**
 * Makes the card that stands on the own state ref the one to replace next: a push that was cut off may have arrived, and
 * what a stranger put there is replaced like anything else. Numbers continue above an own one's. A card of another
 * machine with our key is answered and left as it is.
 */
export async function adoptOwnCard(
  ports: SendPorts,
  found: { readonly commit: string | null; readonly ref: string },
  options: RemoteOptions,
): Promise<Result<OwnCard, RemoteFailure>> {
  const last = loadCardState(ports);
  if (found.commit !== null && found.commit !== last.commitId) {
    const fetched = await ports.remote.fetch([`+${found.ref}:${TRACKING.foundCard}`], options);
    if (!fetched.ok) return fetched;
  }
  const judged = await judgeOwnCard(ports, found.commit);
  if (judged.kind === "other") return ok(judged);
  const ours = judged.kind === "mine" ? judged.card.n : 0;
  const numbers = { n: Math.max(last.n, ours), seen: Math.max(last.seen, ours) };
  ports.state.relaxedTransaction(() => saveCardState(ports, { ...last, ...numbers, commitId: found.commit }));
  if (judged.kind === "stranger") {
    const detail = `a card that this server did not put there stood on its state ref (${found.commit?.slice(0, 12)}) and is replaced`;
    raiseOwnAlarm(ports.state, { kind: "card", detail }, ports.clock.wallMs());
  }
  return ok(judged);
}

/** A card of another machine as the reason why nothing is pushed. */
export function heldByCard(server: string, card: Card): { kind: "other-machine"; detail: string } {
  const of = `made at ${card.at} by fleetd ${card.version}, run ${card.run}`;
  const detail = `the card of "${server}" on the remote is signed with its key and of another daemon (${of}): another machine uses this id, or this state is an old copy`;
  return { kind: "other-machine", detail };
}

/** Whether an own key signed a card: while the key is being changed, either; a key that was given up signs nothing. */
async function isOwn(ports: CardPorts, json: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const { state, identity, cryptography } = ports;
  const previous = pendingRotation(state)?.previous ?? identity.publicKey;
  for (const openSsh of new Set([identity.publicKey, previous])) {
    const publicKey = fromOpenSsh(openSsh);
    const expected = { namespace: "fleetd-card", cryptography } as const;
    if (publicKey !== null && (await verifySsh(json, signature, { ...expected, publicKey }))) return true;
  }
  return false;
}
