import type { Clock } from "../../base/ports/clock.ts";
import type { LogFileEvents } from "../../base/ports/log-file.ts";
import { readDiskSpace } from "../disk-space.ts";

/** The room on the disk is asked for once in this time, and a disk that refused is tried again after it. */
const ASK_EVERY_MS = 1_000;

/** Whether a log may be written now, and what its owner was told about that: trouble once, and its end. */
export class DiskGuard {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #events: LogFileEvents;
  /** What is wrong, since it was told; null while all is well. */
  #trouble: string | null = null;
  #lost = 0;
  /** Until then (monotonic ms) nothing is written, since the disk refused. */
  #refusedUntilMs = Number.NEGATIVE_INFINITY;
  #askAtMs = Number.NEGATIVE_INFINITY;

  constructor(folder: string, clock: Clock, events: LogFileEvents) {
    this.#folder = folder;
    this.#clock = clock;
    this.#events = events;
  }

  /** Why nothing may be written now, or null. */
  refusal(diskFreeBytes: number): string | null {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#refusedUntilMs) return this.#trouble;
    if (nowMs < this.#askAtMs) return null;
    this.#askAtMs = nowMs + ASK_EVERY_MS;
    const space = readDiskSpace(this.#folder);
    if (!space.ok || space.value.freeBytes >= diskFreeBytes) return null;
    this.#refusedUntilMs = this.#askAtMs;
    return `only ${space.value.freeBytes} bytes are free at "${this.#folder}", ${diskFreeBytes} are to be`;
  }

  /** The disk refused: it is left alone for a while. */
  refuse(): void {
    this.#refusedUntilMs = this.#clock.monotonicMs() + ASK_EVERY_MS;
  }

  tellTrouble(detail: string): void {
    if (this.#trouble === null) this.#events.onTrouble(detail);
    this.#trouble = detail;
  }

  countLost(lines: number): void {
    this.#lost += lines;
  }

  tellRecovered(): void {
    if (this.#trouble === null) return;
    this.#trouble = null;
    this.#events.onRecovered(this.#lost);
    this.#lost = 0;
  }
}
