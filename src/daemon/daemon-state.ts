import type { Clock } from "../base/ports/clock.ts";
import type { ClockFacts, HealthReport } from "../fleet/health/model.ts";
import { DEFAULT_SETTINGS } from "../fleet/settings/defaults.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { Bell } from "./loop.ts";

/** A failure of the remote is told at once and then at most this often while it lasts. */
const TROUBLE_EVERY_MS = 60_000;

/** When something has to be on the remote, monotonic ms; null when nothing of it waits. */
export interface Dues {
  readonly card: number | null;
  readonly receipts: number | null;
}

/** What the loops and the control socket of one daemon share: bells, a revision, and the last news of the remote. */
export class DaemonState {
  readonly pushBell = new Bell();
  readonly receiveBell = new Bell();
  readonly handlerBell = new Bell();
  readonly startedWallMs: number;
  readonly startedMonoMs: number;
  lastFetchWallMs: number | null = null;
  lastPushWallMs: number | null = null;
  /** As `lastPushWallMs` on the clock that nobody sets: heartbeats go by it. */
  lastPushMonoMs: number | null = null;
  /** When the last push was made for nothing but the card, monotonic ms. */
  lastHeartbeatMonoMs: number | null = null;
  /** Heartbeats since the start. */
  heartbeats = 0;
  autoReplies = 0;
  /** Whether messages may be answered and given to handlers; not before the own refs were seen, nor while held. */
  mayAct = true;
  /** Why this server is held, as last told; null while it is not. */
  held: string | null = null;
  /** What the last health round made of this server; null before the first. */
  health: HealthReport | null = null;
  /** The last time the wall clock was set, and both clocks as the last health round read them. */
  clockJump: ClockFacts["jump"] = null;
  clockSeen: { readonly wallMs: number; readonly monoMs: number } | null = null;
  /** When the own card has to be on the remote, monotonic ms; null when nothing in it waits. */
  cardDueMonoMs: number | null = null;
  /** When queued receipts have to be pushed, monotonic ms. */
  receiptsDueMonoMs: number | null = null;
  /** When somebody last spoke to one server by name, monotonic ms. */
  #talkedMonoMs = Number.NEGATIVE_INFINITY;
  /** When a message last arrived or was sent, monotonic ms. */
  #trafficMonoMs: number;
  readonly #clock: Clock;
  readonly #settings: () => ServerSettings;
  readonly #troubles = new Map<"fetch" | "push", { detail: string; toldMonoMs: number; count: number }>();
  readonly #waiting = new Set<() => void>();
  #revision = 1;

  constructor(clock: Clock, settings: () => ServerSettings = () => DEFAULT_SETTINGS) {
    this.#clock = clock;
    this.#settings = settings;
    this.startedWallMs = clock.wallMs();
    this.startedMonoMs = clock.monotonicMs();
    this.#trafficMonoMs = this.startedMonoMs;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The failure that lasts, fetch before push; null while all is well. */
  get trouble(): string | null {
    return (this.#troubles.get("fetch") ?? this.#troubles.get("push"))?.detail ?? null;
  }

  /** How long this daemon has run, ms, on the clock that nobody sets. */
  get upMs(): number {
    return this.#clock.monotonicMs() - this.startedMonoMs;
  }

  /** How long no message arrived or was sent, ms. */
  get quietMs(): number {
    return this.#clock.monotonicMs() - this.#trafficMonoMs;
  }

  /** Whether somebody spoke to one server by name lately, so that an answer may come any moment. */
  get inConversation(): boolean {
    return this.#clock.monotonicMs() - this.#talkedMonoMs < this.#settings().poll.conversation_for;
  }

  /** Notes a message from or to one server by name; the first one ends the long pause between looks at the remote. */
  noteConversation(): void {
    const wasQuiet = !this.inConversation;
    this.noteArrival();
    this.#talkedMonoMs = this.#clock.monotonicMs();
    if (wasQuiet) this.receiveBell.ring();
  }

  /** Notes that there is traffic. */
  noteArrival(): void {
    this.#trafficMonoMs = this.#clock.monotonicMs();
  }

  /** Something changed in the databases: whoever waits for a change looks again. */
  bump(): void {
    this.#revision += 1;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves with the revision once it is above `since`, or after `timeoutMs`. */
  async waitForChange(since: number, timeoutMs: number, signal: AbortSignal): Promise<number> {
    if (this.#revision > since) return this.#revision;
    const changed = new AbortController();
    const wake = (): void => changed.abort();
    this.#waiting.add(wake);
    // A change, the timeout and the end of the daemon all mean "answer now".
    await this.#clock.sleep(timeoutMs, AbortSignal.any([changed.signal, signal])).catch(() => undefined);
    this.#waiting.delete(wake);
    return this.#revision;
  }

  /** Asks for the card to be published within `withinMs`; an earlier date stays. */
  wantCard(withinMs: number): void {
    this.cardDueMonoMs = earlier(this.cardDueMonoMs, this.#clock.monotonicMs() + withinMs);
    this.pushBell.ring();
  }

  /** Asks for queued receipts to be pushed within `withinMs`; an earlier date stays. */
  wantReceipts(withinMs: number): void {
    this.receiptsDueMonoMs = earlier(this.receiptsDueMonoMs, this.#clock.monotonicMs() + withinMs);
    this.pushBell.ring();
  }

  /** A push starts: what is wanted up to now goes with it, and what is wanted from now on does not. */
  takeDues(): Dues {
    const dues = { card: this.cardDueMonoMs, receipts: this.receiptsDueMonoMs };
    this.cardDueMonoMs = null;
    this.receiptsDueMonoMs = null;
    return dues;
  }

  /** What a push that failed did not bring is due as it was. */
  giveBack(dues: Dues): void {
    this.cardDueMonoMs = earlier(this.cardDueMonoMs, dues.card);
    this.receiptsDueMonoMs = earlier(this.receiptsDueMonoMs, dues.receipts);
  }

  /** Notes a push that the remote confirmed; a heartbeat is one for nothing but the card. */
  notePush(isHeartbeat = false): void {
    this.lastPushWallMs = this.#clock.wallMs();
    this.lastPushMonoMs = this.#clock.monotonicMs();
    if (!isHeartbeat) return;
    this.lastHeartbeatMonoMs = this.lastPushMonoMs;
    this.heartbeats += 1;
  }

  /** Notes a failure. Answers how many came in a row, and whether the operator should be told now. */
  noteTrouble(during: "fetch" | "push", detail: string): { count: number; tell: boolean } {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#troubles.get(during);
    const tell = known === undefined || nowMs - known.toldMonoMs >= TROUBLE_EVERY_MS;
    const count = (known?.count ?? 0) + 1;
    this.#troubles.set(during, { detail, count, toldMonoMs: tell ? nowMs : (known?.toldMonoMs ?? nowMs) });
    return { count, tell };
  }

  /** Notes a success; true when it ended a failure. */
  noteSuccess(during: "fetch" | "push"): boolean {
    return this.#troubles.delete(during);
  }
}

function earlier(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.min(left, right);
}
