import type { ServerSettings } from "../fleet/settings/model.ts";
import { type Bucket, type BucketLimits, refill, takeToken, untilToken } from "../resilience/token-bucket.ts";

/** Hosting services that bound how often a repository is pushed to and read; their subdomains belong to them. */
const HOSTS_WITH_BUDGET = [
  "github.com",
  "gitlab.com",
  "bitbucket.org",
  "codeberg.org",
  "dev.azure.com",
  "visualstudio.com",
  "sr.ht",
];

/** Share of such a host's heartbeats that is one server's, ms: with N servers each sends one in N times this. */
const HEARTBEAT_MS_PER_SERVER = 20_000;

/** Whether `host` is known to bound pushes; null is no host. */
export function hasPushBudget(host: string | null): boolean {
  const name = host?.toLowerCase().replace(/\.$/, "") ?? "";
  return HOSTS_WITH_BUDGET.some((known) => name === known || name.endsWith(`.${known}`));
}

/** Spends the pushes that a host allows: a burst, and then one at a time. Instants are monotonic ms. */
export class PushBudget {
  readonly #host: string | null;
  readonly #settings: () => ServerSettings["push_budget"];
  #bucket: Bucket | null = null;

  constructor(host: string | null, settings: () => ServerSettings["push_budget"]) {
    this.#host = host;
    this.#settings = settings;
  }

  /** Whether pushes to this remote are bounded. */
  get holds(): boolean {
    const { mode } = this.#settings();
    return mode === "on" || (mode === "auto" && hasPushBudget(this.#host));
  }

  /** How long until a push is allowed, ms; 0 when it is now. */
  waitMs(nowMs: number): number {
    return this.holds ? untilToken(this.#at(nowMs), this.#limits()) : 0;
  }

  /** Spends a push. */
  take(nowMs: number): void {
    if (this.holds) this.#bucket = takeToken(this.#at(nowMs)) ?? this.#at(nowMs);
  }

  /** Notes pushes that were made already: what they are too many has to be waited for later. */
  owe(nowMs: number, count: number): void {
    if (!this.holds) return;
    const bucket = this.#at(nowMs);
    this.#bucket = { ...bucket, tokens: bucket.tokens - count };
  }

  /** The least time between two heartbeats of a server in a fleet of `servers`, ms. */
  heartbeatMs(servers: number): number {
    return this.holds ? servers * HEARTBEAT_MS_PER_SERVER : 0;
  }

  #limits(): BucketLimits {
    const { burst, every } = this.#settings();
    return { capacity: burst, periodMs: burst * Math.max(1, every) };
  }

  #at(nowMs: number): Bucket {
    return refill(
      this.#bucket ?? { tokens: this.#limits().capacity, updatedMs: nowMs },
      this.#limits(),
      nowMs,
    );
  }
}
