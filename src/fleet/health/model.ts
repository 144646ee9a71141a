/**
 * The words of health: what is known of a server (facts), what was made of it (checks), and what `doctor` found
 * (findings). A fact that could not be found out is a failed `Result`, and its check is `unknown`.
 */
import type { DiskSpace, MemorySpace } from "../../base/ports/machine.ts";
import type { Result } from "../../base/result.ts";

/** How something is. `unknown` is a warning, never healthy. */
export type Verdict = "ok" | "warn" | "critical" | "unknown";

/** The checks of `fleetd health`, in the order in which they are shown. */
export const CHECK_IDS = [
  "monitor",
  "remote",
  "breaker",
  "queue",
  "own-refs",
  "services",
  "state",
  "key",
  "store",
  "git",
  "disk",
  "memory",
  "clock",
] as const;
export type CheckId = (typeof CHECK_IDS)[number];

/** One thing that was judged. `figure` and `threshold` (where it warns, and after a slash where it is critical) are short; `evidence` is a sentence without a full stop. */
export interface Check {
  readonly id: CheckId;
  readonly verdict: Verdict;
  readonly figure: string;
  readonly threshold: string;
  readonly evidence: string;
  /** What to do about it, a command where there is one; null when nothing has to be done. */
  readonly fix: string | null;
}

/** Everything that was judged at one moment. */
export interface HealthReport {
  readonly verdict: Verdict;
  readonly judgedWallMs: number;
  readonly checks: readonly Check[];
}

/** Something that `doctor` found. `id` is stable; several findings may have one id. */
export interface Finding {
  readonly id: string;
  readonly verdict: Verdict;
  readonly evidence: string;
  readonly fix: string | null;
}

/** What is known of the remote. `lookedAt`: who says so; nobody looks while no monitor runs and nobody was asked to. */
export interface RemoteFacts {
  readonly url: string;
  readonly lookedAt: "by-monitor" | "now" | "not";
  /** Since when it should have answered: the start of the monitor, or now. */
  readonly sinceWallMs: number;
  readonly lastFetchWallMs: number | null;
  readonly lastPushWallMs: number | null;
  /** The failure that lasts, hostile text. */
  readonly trouble: string | null;
}

/** What waits to be sent. `dead`: refused for good, until somebody retries or drops them. `reason`: of the last failure. */
export interface QueueFacts {
  readonly waiting: number;
  readonly oldestWallMs: number | null;
  readonly dead: number;
  readonly reason: string | null;
}

/** What is wrong with the own refs on the remote. `held`: nothing is pushed or done by itself because of it. */
export interface OwnRefsFact {
  readonly held: boolean;
  /** One word. */
  readonly kind: string;
  readonly detail: string;
  readonly fix: string;
}

/** The circuit breaker around the remote. */
export interface BreakerFacts {
  readonly state: "closed" | "open" | "half-open";
  /** When it tries again, while it is open. */
  readonly untilWallMs: number | null;
}

/** The running monitor; `answers` false: it holds its lock and does not answer. */
export interface MonitorFacts {
  readonly pid: number | null;
  readonly version: string;
  readonly startedWallMs: number | null;
  readonly answers: boolean;
}

/** The private store: where it is, what is wrong with it (null for nothing), and locks that are older than a minute. */
export interface StoreFacts {
  readonly path: string;
  readonly problem: string | null;
  readonly oldLocks: readonly string[];
}

/** One card of a peer: what its clock said when it was made, and ours when it came. */
export interface ClockSample {
  readonly server: string;
  readonly cardWallMs: number;
  readonly receivedWallMs: number;
  /** True when it was received by a running monitor, so soon after it was made. */
  readonly live: boolean;
}

/** What is known of the own clock. `jump`: the last time it was set; `byMs` is negative when it was set back. */
export interface ClockFacts {
  readonly samples: readonly ClockSample[];
  readonly jump: { readonly byMs: number; readonly atWallMs: number } | null;
}

/** A service that is not as it should be; its name and `why`, how it ended last, are strangers' text. */
export interface FailingService {
  readonly name: string;
  readonly state: "crash-loop" | "failed" | "unready" | "backoff";
  readonly why: string | null;
}

/** The services of the machine, as the monitor that supervises tells. */
export interface ServicesFacts {
  readonly total: number;
  readonly running: number;
  readonly failing: readonly FailingService[];
}

/** Everything that is judged. What is absent (null) on this server has no check. */
export interface HealthFacts {
  readonly monitor: Result<MonitorFacts | null>;
  readonly remote: Result<RemoteFacts>;
  readonly breaker: BreakerFacts | null;
  readonly queue: Result<QueueFacts>;
  readonly ownRefs: Result<readonly OwnRefsFact[]>;
  /** Null where this server's monitor supervises nothing. */
  readonly services: ServicesFacts | null;
  /** Whether `state.db` can be used: its path, or why not. */
  readonly state: Result<string>;
  /** What keeps this user from reading and writing it; null where nothing does. */
  readonly access: { readonly evidence: string; readonly fix: string } | null;
  /** Where the private key is, and why it cannot be used; a null problem where it can. */
  readonly key: Result<{ readonly path: string; readonly problem: string | null }>;
  readonly store: Result<StoreFacts>;
  /** The version of git, or why it cannot be used. */
  readonly git: Result<string>;
  readonly disk: Result<DiskSpace & { readonly path: string }>;
  readonly memory: Result<MemorySpace>;
  readonly clock: Result<ClockFacts>;
}

/** What `health`, `doctor` and `status --check` end with. */
export type VerdictCode = 0 | 1 | 2 | 3;

/** The worst of several verdicts: critical, then warn; `unknown` only when nothing else is known, else it warns. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.length === 0 || verdicts.every((one) => one === "unknown")) return "unknown";
  if (verdicts.includes("critical")) return "critical";
  return verdicts.some((one) => one !== "ok") ? "warn" : "ok";
}

/** 0 ok, 1 something to look at or unknown, 2 critical, 3 nothing could be judged. */
export function toVerdictCode(verdict: Verdict): VerdictCode {
  return ({ ok: 0, warn: 1, critical: 2, unknown: 3 } as const)[verdict];
}

/** What is to be looked at, worst first, in the order of the list within one verdict. */
export function problemsFirst<T extends { readonly verdict: Verdict }>(all: readonly T[]): T[] {
  const of = (verdict: Verdict): T[] => all.filter((one) => one.verdict === verdict);
  return [...of("critical"), ...of("warn"), ...of("unknown")];
}
