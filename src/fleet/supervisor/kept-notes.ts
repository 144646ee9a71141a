/**
 * Notes of what has happened already, which no full disk undoes: one that cannot be written is kept and written later, in
 * order, and before anything that is noted after it. What must be noted before it is done is refused instead.
 */
import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { Database, SqlValue } from "../../base/ports/database.ts";

/** One statement with its values. */
export interface Note {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** What keeping notes acts through. */
export interface KeptNotesWorld {
  readonly clock: Clock;
  /** Told once for as long as it lasts. */
  readonly onTrouble: (detail: string) => void;
  /** Everything is written now. */
  readonly onWell: () => void;
}

/** How long to wait until what could not be written is tried again. Chosen, not measured. */
const AGAIN_MS = 2_000;

/** See the head of this file. */
export class KeptNotes {
  readonly #database: Database;
  readonly #world: KeptNotesWorld;
  /** What is not written yet, by what it is about: of two notes about the same, the later one counts. */
  readonly #kept = new Map<string, readonly Note[]>();
  readonly #closing = new AbortController();

  constructor(database: Database, world: KeptNotesWorld) {
    this.#database = database;
    this.#world = world;
  }

  /** Notes what happened, all of it or nothing, now or as soon as it can be; never throws. */
  note(about: string, notes: readonly Note[]): void {
    if (this.#closing.signal.aborted) return;
    const isFirst = this.#kept.size === 0;
    this.#kept.delete(about);
    this.#kept.set(about, notes);
    // Others wait already: each attempt may hold up everything else for a moment.
    if (!isFirst) return;
    const trouble = this.#writeKept();
    if (trouble === null) return;
    this.#world.onTrouble(trouble);
    void this.#tryAgain();
  }

  /** Runs `body` in one transaction, after what is kept; durable when it returns. @throws FleetError IO */
  durably(body: () => void): void {
    const wasKept = this.#kept.size > 0;
    this.#database.transaction(() => {
      this.#runKept();
      body();
    });
    this.#kept.clear();
    if (wasKept) this.#world.onWell();
  }

  /** The last attempt. */
  close(): void {
    if (this.#kept.size > 0) this.#writeKept();
    this.#kept.clear();
    this.#closing.abort();
  }

  async #tryAgain(): Promise<void> {
    const { clock, onWell } = this.#world;
    const { signal } = this.#closing;
    for (;;) {
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
      // Something that had to be noted may have taken them along.
      if (this.#kept.size === 0) return;
      if (this.#writeKept() !== null) continue;
      onWell();
      return;
    }
  }

  /** Null, or why it could not be. A power cut ends what these are about, so they need not wait for the disk. */
  #writeKept(): string | null {
    try {
      this.#database.relaxedTransaction(() => this.#runKept());
    } catch (thrown) {
      return messageOf(thrown);
    }
    this.#kept.clear();
    return null;
  }

  #runKept(): void {
    for (const notes of this.#kept.values()) {
      for (const { sql, values } of notes) this.#database.run(sql, ...values);
    }
  }
}
