/**
 * What a daemon makes of its own refs after each look at the remote, before anything is answered or handled: whether
 * they have to be pushed again, whether somebody else writes them, and whether that one has been silent for so long
 * that what it wrote is taken over.
 */
import { FleetError } from "../../base/errors.ts";
import { adoptLog, noteFormerCursors } from "./adopt-log.ts";
import type { Card } from "./card.ts";
import { listConflicts, shownFingerprint } from "./conflict-ref.ts";
import { cardWithFormer, forgetSighted, placeWithFormer, readerBeyond } from "./former-life.ts";
import { graftOf } from "./graft.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import { endOwnAlarms, HOLDS, type Hold, type HoldKind, holdOf, raiseOwnAlarm } from "./own-alarms.ts";
import { heldByCard, judgeOwnCard, type OwnCard } from "./own-card.ts";
import { judgeKnownTip, judgeOwnTip, type OwnPlace } from "./own-place.ts";
import { loadCardState, saveCardState } from "./publish-card.ts";
import type { OwnRefs } from "./receive-messages.ts";
import { held, notePause } from "./recover-log.ts";
import { pauseBefore } from "./recovery-pauses.ts";
import { confirmedBatch } from "./take-back.ts";

/** When a look was made, and for how long another machine has to be silent. */
export interface WatchTimes {
  readonly nowMonoMs: number;
  readonly silentMs: number;
}

/**
 * What a look at the own refs came to. `held`: nothing may be done by itself. `wantsPush`: something has to be pushed
 * again. `notices`: what an operator should hear of now.
 */
export interface OwnLook {
  readonly held: Hold | null;
  readonly wantsPush: boolean;
  readonly notices: readonly string[];
}

/** Makes sure that nobody of this server pushes meanwhile; null when somebody does. */
export type TakeTurn = () => { release(): void } | null;

/** Somebody else with our key, as last seen. */
interface Other {
  readonly place: OwnPlace | null;
  readonly card: OwnCard;
}

/** The watch over the own refs of one daemon. */
export class OwnRefsWatch {
  readonly #ports: ReceivePorts;
  readonly #takeTurn: TakeTurn;
  /**
   * How far the other machine's log and the number of its card went, and since when they have not moved, monotonic ms.
   * What strangers do to the refs is no sign of life.
   */
  #silence: { readonly end: string; readonly n: number; readonly sinceMonoMs: number } | null = null;
  /** Nothing was told yet of what others read. */
  #isFirst = true;
  /** What was judged last, so that a tip that stays is not read again at every look. */
  #judged: { readonly key: string; readonly place: OwnPlace } | null = null;

  constructor(ports: ReceivePorts, takeTurn: TakeTurn) {
    this.#ports = ports;
    this.#takeTurn = takeTurn;
  }

  /** Judges what the last fetch brought. */
  async look(own: OwnRefs, times: WatchTimes): Promise<OwnLook> {
    const { state } = this.#ports;
    const notices = this.#noteConflicts();
    if (holdOf(state)?.kind === "other-fleet") return { held: holdOf(state), wantsPush: false, notices };
    const place = await placeWithFormer(this.#ports, await this.#placeOf(own.tip), own.tip);
    const card = await cardWithFormer(this.#ports, await judgeOwnCard(this.#ports, own.card), own.card);
    // A daemon of ours had come further than this state knows, as after a power cut or a backup.
    const isNewer = card.kind === "mine" && card.card.n > loadCardState(this.#ports).seen;
    if (isNewer) noteFormerCursors(state, card.card.cursors);
    const look = this.#tellReaders(await this.#act(own, { place, card }, times));
    const wantsPush = look.wantsPush || (look.held === null && own.meta === null);
    return { ...look, wantsPush, notices: [...notices, ...look.notices] };
  }

  /**
   * At the first look of a life: where others read what is nowhere any more, somebody has to decide. It holds nothing,
   * since whoever lies on his card could silence anybody.
   */
  #tellReaders(look: OwnLook): OwnLook {
    if (!this.#isFirst || look.held !== null) return look;
    this.#isFirst = false;
    const { server } = this.#ports.identity;
    const reader = readerBeyond(this.#ports);
    if (reader === null) return look;
    const detail = `"${reader}" says that it read entries of "${server}" that are nowhere any more, as after an old backup: it may not take what follows. If so, choose another id with "fleetd init --server ID"`;
    return { ...look, notices: [...look.notices, detail] };
  }

  async #act(found: OwnRefs, other: Other, times: WatchTimes): Promise<OwnLook> {
    const { state, identity } = this.#ports;
    const { place, card } = other;
    if (place?.kind === "taken") {
      // Whoever pushes finds that out again, tells the holder, and raises the alarm.
      const standing = holdOf(state);
      return {
        held: standing ?? toHold(held(this.#ports, place)),
        wantsPush: standing === null,
        notices: [],
      };
    }
    if (place?.kind === "forked") return this.#hold(held(this.#ports, place));
    if (place?.kind === "unknown" || card.kind === "other")
      return await this.#watchOther(found, other, times);
    this.#silence = null;
    const isStranger = place?.kind === "strangers" && graftOf(state)?.tip !== place.tip;
    const paused = place?.kind === "strangers" ? notePause(this.#ports, place) : null;
    const ended = this.#endHolds();
    if (place?.kind === "confirmed") this.#endStrangers();
    const isOff = place !== null && place.kind !== "confirmed" && place.kind !== "ours";
    const isCardOff = found.card === null ? loadCardState(this.#ports).n > 0 : card.kind !== "known";
    const wantsPush = ended || isStranger || (isOff && place.kind !== "strangers") || isCardOff;
    const notices = ended ? [`nothing is in the way of "${identity.server}" any more; it goes on`] : [];
    if (paused?.isNews === true) notices.push(paused.detail);
    return { held: null, wantsPush: wantsPush && paused === null, notices };
  }

  #endStrangers(): void {
    const { state, clock } = this.#ports;
    const nowWallMs = clock.wallMs();
    const isPeace = pauseBefore(state, nowWallMs) === 0;
    endOwnAlarms(state, isPeace ? ["stranger", "fight"] : ["stranger"], nowWallMs);
  }

  #endHolds(): boolean {
    const { state, clock, store } = this.#ports;
    const ended = endOwnAlarms(state, Object.keys(HOLDS) as HoldKind[], clock.wallMs());
    if (ended) forgetSighted(store);
    return ended;
  }

  /** Somebody else writes with our key: as long as it moves, this one stands still. */
  async #watchOther(found: OwnRefs, other: Other, times: WatchTimes): Promise<OwnLook> {
    const silentMs = times.nowMonoMs - this.#lastMoved(other, times.nowMonoMs);
    if (silentMs >= times.silentMs) {
      const adopted = await this.#adopt(found);
      if (adopted !== null) return adopted;
    }
    const { place, card } = other;
    const { identity } = this.#ports;
    const hold =
      place?.kind === "unknown"
        ? held(this.#ports, place)
        : heldByCard(identity.server, (card as { readonly card: Card }).card);
    return this.#hold(hold);
  }

  /** Since when the other one has not moved. */
  #lastMoved({ place, card }: Other, nowMonoMs: number): number {
    const last = this.#silence;
    const end = place?.kind === "unknown" ? (place.batches.at(-1)?.chain.hash ?? "") : "";
    const n = card.kind === "other" || card.kind === "mine" ? card.card.n : 0;
    if (last !== null && last.end === end && n <= last.n) return last.sinceMonoMs;
    this.#silence = { end, n: Math.max(n, last?.n ?? 0), sinceMonoMs: nowMonoMs };
    return nowMonoMs;
  }

  /** Takes over what the other one wrote; null where that has to wait for a push under way. */
  async #adopt(found: OwnRefs): Promise<OwnLook | null> {
    const { state, clock, identity } = this.#ports;
    const turn = this.#takeTurn();
    if (turn === null) return null;
    try {
      // A push that ended just now may have changed what is ours.
      const place = await placeWithFormer(this.#ports, await judgeOwnTip(this.#ports, found.tip), found.tip);
      const card = await cardWithFormer(this.#ports, await judgeOwnCard(this.#ports, found.card), found.card);
      const former = card.kind === "other" || card.kind === "mine" ? card.card : null;
      const batches = place?.kind === "unknown" ? place.batches : [];
      const entries =
        batches.length === 0 && card.kind !== "other" ? 0 : await adoptLog(this.#ports, batches, former);
      if (entries === null) return null;
      this.#takeCard(Math.max(former?.n ?? 0, this.#silence?.n ?? 0), card, found.card);
      this.#silence = null;
      forgetSighted(this.#ports.store);
      const detail = `${entries} entries of a former life of "${identity.server}" were taken over: this state was an old copy`;
      raiseOwnAlarm(state, { kind: "adopted", detail }, clock.wallMs());
      endOwnAlarms(state, [...(Object.keys(HOLDS) as HoldKind[]), "adopted"], clock.wallMs());
      return { held: null, wantsPush: true, notices: [detail] };
    } finally {
      turn.release();
    }
  }

  /** Numbers go on above the former life's, and what it published is old from now on. */
  #takeCard(former: number, card: OwnCard, commit: string | null): void {
    const last = loadCardState(this.#ports);
    const numbers = { n: Math.max(last.n, former), seen: Math.max(last.seen, former) };
    const commitId = card.kind === "stranger" ? last.commitId : commit;
    this.#ports.state.transaction(() => saveCardState(this.#ports, { ...last, ...numbers, commitId }));
  }

  #hold(hold: { readonly kind: string; readonly hold?: HoldKind; readonly detail: string }): OwnLook {
    const { state, clock } = this.#ports;
    const alarm = { kind: hold.hold ?? (hold.kind as HoldKind), detail: hold.detail };
    raiseOwnAlarm(state, alarm, clock.wallMs());
    return { held: holdOf(state), wantsPush: false, notices: [] };
  }

  /** Null for a ref of which nothing has to be read. */
  async #placeOf(tip: string | null): Promise<OwnPlace | null> {
    const { state } = this.#ports;
    const known = judgeKnownTip(state, tip);
    if (known !== null) return known;
    const key = `${tip} ${confirmedBatch(state)?.tip}`;
    if (this.#judged?.key === key) return this.#judged.place;
    try {
      const place = await judgeOwnTip(this.#ports, tip);
      this.#judged = { key, place };
      return place;
    } catch (thrown) {
      // A ref that names no commit is mended by the next push; it must not keep anybody from reading.
      if (!(thrown instanceof FleetError)) throw thrown;
      return { kind: "behind" };
    }
  }

  /** Others who tried to use this server's id left their fingerprints. */
  #noteConflicts(): string[] {
    const { state, store, identity, clock } = this.#ports;
    const [first, ...more] = listConflicts(store).keys();
    if (first === undefined) {
      endOwnAlarms(state, ["conflict"], clock.wallMs());
      return [];
    }
    const others = more.length === 0 ? "" : ` and ${more.length} more`;
    const detail = `another machine tried to use the id "${identity.server}": its key is ${shownFingerprint(first)}${others}`;
    return raiseOwnAlarm(state, { kind: "conflict", detail }, clock.wallMs()) ? [detail] : [];
  }
}

const toHold = (one: { readonly hold: HoldKind; readonly detail: string }): Hold => ({
  kind: one.hold,
  held: true,
  detail: one.detail,
  firstWallMs: 0,
  endedWallMs: null,
});
