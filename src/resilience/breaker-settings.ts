/** How a breaker decides. All counts are at least 1. */
export interface BreakerSettings {
  /** Consecutive failures that open it. */
  readonly failures: number;
  /** How long it refuses after it opened for the first time in a row, ms; may be above 2^31. */
  readonly openForMs: number;
  /** Successful probes that close it. */
  readonly successes: number;
  /** Probes at the same time. */
  readonly permits: number;
  /** A probe that did not report after this time counts as lost, ms. */
  readonly leaseMs: number;
  /** What the open time is multiplied with each time a probe failed; 1 keeps it as it is. */
  readonly growth: number;
  /** The longest open time before jitter, ms. */
  readonly openForMsMax: number;
  /** Part of the open time by which it is made longer or shorter by chance, 0 to 1. */
  readonly jitter: number;
}

const PLAIN = { permits: 1, leaseMs: 60_000, growth: 1, openForMsMax: Number.MAX_SAFE_INTEGER, jitter: 0 };

/** Profiles with a name. Figures are part of what users are promised. */
export const BREAKER_PROFILES = {
  standard: { ...PLAIN, failures: 5, openForMs: 30_000, successes: 1 },
  patient: { ...PLAIN, failures: 5, openForMs: 300_000, successes: 2 },
} as const satisfies Record<string, BreakerSettings>;
