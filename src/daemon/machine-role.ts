import type { KeepableLock } from "../base/ports/lock.ts";
import { tryKeepableLock } from "../platform/kept-lock.ts";

/**
 * Which of the daemons below one root looks after the machine: what exists once per machine (the embedded remote, later
 * supervised processes) belongs to the daemon that holds the machine lock, the others are messaging-only. When the
 * holder dies, the next one that asks takes over.
 */
export class MachineRole {
  readonly #path: string;
  #lock: KeepableLock | null;

  /**
   * `path`: the file of the machine lock, which is not taken before the first question; `kept`: what the program before
   * this one held.
   */
  constructor(path: string, kept: KeepableLock | null = null) {
    this.#path = path;
    this.#lock = kept;
  }

  /** What is to be kept for the program after this one; null while another daemon has the role. */
  get lock(): KeepableLock | null {
    return this.#lock;
  }

  /** Whether this daemon has the role, taking it if it is free. */
  holds(): boolean {
    this.#lock ??= tryKeepableLock(this.#path);
    return this.#lock !== null;
  }

  /** Gives the role back. */
  release(): void {
    this.#lock?.release();
    this.#lock = null;
  }
}
