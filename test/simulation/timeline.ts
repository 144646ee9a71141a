/**
 * Simulated time: what is to happen, in the order of its instant and then of its making. Nothing here knows a real
 * clock, and between two events everything that could go on has gone on, so a seed decides the whole run.
 */
import { drainMicrotasks } from "bun:jsc";

interface Event {
  readonly atMs: number;
  readonly order: number;
  act: (() => void) | null;
}

/** Takes an event off the timeline; harmless when it happened already. */
export type Cancel = () => void;

/** Events to come, and how far time has gone. */
export class Timeline {
  /** True time, ms since the start of the run. */
  nowMs = 0;
  /** How many events happened. */
  count = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  /** Something happens `delayMs` from now. */
  after(delayMs: number, act: () => void): Cancel {
    return this.at(this.nowMs + Math.max(0, delayMs), act);
  }

  /** Something happens at `atMs`, now at the earliest. */
  at(atMs: number, act: () => void): Cancel {
    this.#order += 1;
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.#order, act };
    this.#push(event);
    return () => {
      event.act = null;
    };
  }

  /** Lets everything happen up to `untilMs`, which is then the time. */
  runUntil(untilMs: number): void {
    drainMicrotasks();
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      if (next.act === null) continue;
      this.nowMs = next.atMs;
      this.count += 1;
      next.act();
      drainMicrotasks();
    }
    this.nowMs = untilMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const below = 2 * at + 1;
      const [left, right] = [heap[below], heap[below + 1]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = isRight ? below + 1 : below;
    }
    heap[at] = last;
  }
}

const isBefore = (left: Event, right: Event): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
