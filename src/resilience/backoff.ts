/** Pauses between tries: `first`, then doubled up to `longest`, ms. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/** Pauses differ by up to this part, so that those who failed together do not try again together. Chosen, not measured. */
const JITTER = 0.1;

/** The pause after failure number `failures` (from 1), a tenth more or less; `random` is 0 up to but without 1. */
export function backoffMs(failures: number, { first, longest }: Backoff, random: number): number {
  // A large exponent would be infinite, and infinity times a random 0 no number.
  const plainMs = Math.min(longest, first * 2 ** Math.min(failures - 1, 40));
  return jitteredMs(plainMs, random);
}

/** `durationMs`, a tenth more or less. */
export const jitteredMs = (durationMs: number, random: number): number =>
  durationMs * (1 + JITTER * (2 * random - 1));
