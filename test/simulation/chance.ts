import { createRandom } from "../helpers/random.ts";

/** Everything that is left to chance in a run: streams that do not disturb each other, all decided by one seed. */
export class Chance {
  readonly #next: () => number;

  /** The stream of this name. */
  constructor(seed: number, name: string) {
    this.#next = createRandom(mix(seed, name));
  }

  /** From 0 up to and without 1. */
  fraction(): number {
    return this.#next();
  }

  /** A whole number from `from` to `to`, both included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.#next() * (to - from + 1));
  }

  /** A number from `from` to `to` of which every order of magnitude is as likely as another; `from` above 0. */
  magnitude(from: number, to: number): number {
    return Math.round(from * (to / from) ** this.#next());
  }

  isTrue(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.integer(0, values.length - 1)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.integer(0, 255));
  }
}

/** FNV-1a over the name, from a start that the seed decides. */
function mix(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1);
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return hash >>> 0;
}
