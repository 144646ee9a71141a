import type { LogFile, LogFileEvents } from "../../src/base/ports/log-file.ts";

/** A log without a file. `lines` holds what a reader would find; `setFull(true)` is a disk that takes nothing. */
export class MemoryLog implements LogFile {
  readonly lines: string[] = [];
  flushes = 0;
  #waiting: string[] = [];
  #isFull = false;
  #isFailing = false;
  readonly #events: LogFileEvents;

  constructor(events: LogFileEvents = { onTrouble: () => undefined, onRecovered: () => undefined }) {
    this.#events = events;
  }

  setFull(isFull: boolean): void {
    this.#isFull = isFull;
  }

  write(line: string): void {
    this.#waiting.push(line);
  }

  flush(): void {
    this.flushes += 1;
    if (this.#isFull) {
      if (!this.#isFailing) this.#events.onTrouble("no space left on device");
      this.#isFailing = true;
      return;
    }
    this.lines.push(...this.#waiting);
    this.#waiting = [];
    if (this.#isFailing) this.#events.onRecovered(0);
    this.#isFailing = false;
  }

  close(): void {
    this.flush();
  }
}
