/**
 * What to do when the remote answered and refused. One entry that a hook does not like must neither stop the others nor
 * be tried for ever, and a card that is refused must not stop a message at all.
 */
import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import type { EntryDraft } from "./build-batch.ts";
import { buildDrafts } from "./build-queued.ts";
import { type Attempt, halves, isolate } from "./isolate.ts";
import { hasUnpushed, loadHead, queuedDrafts } from "./outbox.ts";
import { type FlushRound, findLogPlace, type PushEnd, pushOwnRefs } from "./push-own-refs.ts";
import { noteRefused, suspectsAmong } from "./queue.ts";
import { confirmedBatch, takeBack } from "./take-back.ts";

/** What a refusal came to. `changed`: the log is another one now, so the flush starts anew. */
export type Settled =
  | {
      readonly kind: "settled";
      /** The remote's own words, hostile text. */
      readonly reason: string;
      /** The entries that count as refused. */
      readonly ids: readonly string[];
      readonly dead: number;
      /** Whether the card was refused. */
      readonly card: boolean;
    }
  | { readonly kind: "waiting"; readonly failure: RemoteFailure }
  | { readonly kind: "changed" };

type Refusal = Extract<PushEnd, { kind: "refused" }>;

/** Finds out what it was that the remote refused, and brings everything else to it. */
export async function settleRefusal(round: FlushRound, refusal: Refusal): Promise<Settled> {
  const { state } = round.ports;
  if (refusal.log === null) return await settleCard(round, refusal.card ?? "");
  if (!hasUnpushed(state)) return waiting(refusal.log);
  const place = await findLogPlace(round);
  if (!place.ok) return { kind: "waiting", failure: place.error };
  if (place.value === "changed" || place.value === "ahead") return { kind: "changed" };
  // Somebody moved the ref back and now it may not be restored: nothing is known against any entry.
  if (place.value === "behind") return waiting(refusal.log);
  if (!state.transaction(() => takeBack(state, round.uncertain))) return waiting(refusal.log);
  const hasLog = confirmedBatch(state) !== null;
  const card = hasLog ? await pushCardAlone(round) : null;
  if (card?.kind === "waiting" || card?.kind === "changed") return card;
  const search = new Search(round, {
    reason: refusal.log,
    isCardTaken: card?.kind === "confirmed",
    // A hook that judges a push as a whole refuses both refs; then the log alone was never judged.
    isLogKnown: refusal.card === null || card?.kind === "confirmed",
  });
  const found = await search.run();
  const first = card === null && confirmedBatch(state) !== null ? await pushCardAlone(round) : card;
  return found.kind === "settled" ? { ...found, card: first?.kind === "refused" } : found;
}

const waiting = (detail: string): Settled => ({ kind: "waiting", failure: { kind: "failed", detail } });

/** The card alone was refused; messages go without it. */
async function settleCard(round: FlushRound, reason: string): Promise<Settled> {
  const { state } = round.ports;
  if (hasUnpushed(state)) {
    const alone = await pushOwnRefs(round, { tip: loadHead(state)?.tip ?? null, card: false });
    if (alone.kind === "refused") return await settleRefusal(round, { ...alone, card: reason });
    if (alone.kind !== "confirmed") return alone;
  }
  return { kind: "settled", reason, ids: [], dead: 0, card: true };
}

/** Cursors and heartbeats do not wait for a message that is refused. There is no card before there is a log. */
const pushCardAlone = (round: FlushRound): Promise<PushEnd> => pushOwnRefs(round, { tip: null, card: true });

interface Known {
  readonly reason: string;
  /** Whether the remote took a card of this server just now. */
  readonly isCardTaken: boolean;
  /** Whether it is the log that the remote refused, and not the card beside it. */
  readonly isLogKnown: boolean;
}

/** So many entries in a row, refused alone, stand for all where no card is taken either. Chosen, not measured. */
const HOPELESS_AFTER = 3;

/**
 * The search for the entries that are refused. An entry counts as refused when it was so by itself, and all of them do
 * when the remote takes nothing of this server at all: no card, and none of the first few entries alone.
 */
class Search {
  readonly #round: FlushRound;
  readonly #known: Known;
  #reason: string;
  #accepted = 0;
  #refusedAlone = 0;
  #isHopeless = false;
  #end: Extract<Settled, { kind: "waiting" | "changed" }> | null = null;

  constructor(round: FlushRound, known: Known) {
    this.#round = round;
    this.#known = known;
    this.#reason = known.reason;
  }

  async run(): Promise<Settled> {
    const { ports } = this.#round;
    const { state, clock } = ports;
    const drafts = queuedDrafts(state, Number.MAX_SAFE_INTEGER, clock.wallMs());
    const { refused, untried } = await isolate(this.#parts(drafts), (part) => this.#attempt(part));
    // One entry that was refused as the whole push is refused by itself.
    const single = this.#known.isLogKnown && drafts.length === 1;
    const found = this.#isHopeless || single ? drafts : refused;
    const ids = found.map((draft) => draft.id);
    const refusal = { ids, reason: this.#reason, nowWallMs: clock.wallMs() };
    const dead = state.relaxedTransaction(() => noteRefused(state, refusal, this.#round.options.rules));
    if (this.#end !== null) return this.#end;
    // Cut short before anything was found out: the next flush goes on.
    if (ids.length === 0 && untried.length > 0 && this.#accepted === 0) return waiting(this.#reason);
    return { kind: "settled", reason: this.#reason, ids, dead, card: false };
  }

  /** Entries that were refused before are tried one by one, with half of the pushes at most before the others. */
  #parts(drafts: readonly EntryDraft[]): (readonly EntryDraft[])[] {
    const { isLogKnown } = this.#known;
    if (isLogKnown && drafts.length === 1) return [];
    const [first, ...rest] = drafts;
    // Nothing can be in a log before its key.
    if (first?.body.type === "key") return [[first], rest];
    const suspects = suspectsAmong(
      this.#round.ports.state,
      drafts.map((draft) => draft.id),
    );
    const clean = drafts.filter((draft) => !suspects.has(draft.id));
    if (clean.length === drafts.length) return isLogKnown ? halves(drafts) : [drafts];
    const alone = drafts.filter((draft) => suspects.has(draft.id)).map((draft) => [draft]);
    const before = Math.ceil(this.#round.pushesLeft / 2);
    return [...alone.slice(0, before), clean, ...alone.slice(before)];
  }

  async #attempt(part: readonly EntryDraft[]): Promise<Attempt> {
    const { ports, options, deadlineMs } = this.#round;
    const { state, clock } = ports;
    if (this.#round.pushesLeft <= 0 || options.signal.aborted || clock.monotonicMs() >= deadlineMs)
      return "stop";
    const tip = await buildDrafts(ports, part);
    // Everything in it was dropped meanwhile.
    if (tip === null) return "pushed";
    const end = await pushOwnRefs(this.#round, { tip, card: false });
    if (end.kind === "waiting" || end.kind === "changed") {
      this.#end = end;
      return "stop";
    }
    if (end.kind === "confirmed") {
      this.#accepted += part.length;
      return "pushed";
    }
    this.#reason = end.log ?? this.#reason;
    // The push was answered, so that this batch cannot arrive later.
    state.transaction(() => takeBack(state, this.#round.uncertain));
    if (part.length === 1) this.#refusedAlone += 1;
    if (this.#known.isCardTaken || this.#accepted > 0) return "refused";
    // Nothing goes without the key; else one bad message beside a card that is refused must not count for all.
    const isFirst = confirmedBatch(state) === null && part[0]?.body.type === "key";
    this.#isHopeless = (part.length === 1 && isFirst) || this.#refusedAlone >= HOPELESS_AFTER;
    return this.#isHopeless ? "stop" : "refused";
  }
}
