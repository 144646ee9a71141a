import type { Lock } from "../../src/base/ports/lock.ts";

/** A lock between the parts of one test. */
export class MemoryLock {
  #holder: symbol | null = null;

  /** As `tryLock` does with a file. */
  tryTake(): Lock | null {
    if (this.#holder !== null) return null;
    const me = Symbol("holder");
    this.#holder = me;
    return {
      release: () => {
        if (this.#holder === me) this.#holder = null;
      },
    };
  }
}
