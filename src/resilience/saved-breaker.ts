import type { BreakerState } from "./breaker.ts";
import { closedBreaker } from "./breaker.ts";

/** The running system: `id` differs after every start of it (null: it cannot tell), `ms` is how long it has run. */
export interface Boot {
  readonly id: string | null;
  readonly ms: number;
}

/** What a breaker looks like in a file. Instants are ms since the boot `boot`, which no one can set. */
export interface SavedBreaker {
  readonly v: 1;
  readonly kind: BreakerState["kind"];
  readonly boot: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly openings: number;
  readonly causes: readonly string[];
}

/** What has to be kept of a breaker across a restart. `nowMs` is on the clock of the state. */
export function saveBreaker(state: BreakerState, nowMs: number, boot: Boot): SavedBreaker {
  const toBoot = (instantMs: number): number => instantMs - nowMs + boot.ms;
  const { kind, causes } = state;
  // Half-open is open with its time over: who probed is gone with its process.
  const sinceMs = kind === "open" ? toBoot(state.sinceMs) : boot.ms;
  const untilMs = kind === "open" ? toBoot(state.untilMs) : boot.ms;
  return {
    v: 1,
    kind,
    boot: boot.id,
    sinceMs,
    untilMs,
    openings: kind === "closed" ? 0 : state.openings,
    causes,
  };
}

/**
 * The breaker after a restart. On the same boot the rest of its time is kept to the millisecond. After another start of
 * the system nobody knows how long it was off: a part of the rest by `random`, so that machines that lost their power
 * together do not come back in step.
 */
export function restoreBreaker(
  saved: SavedBreaker,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
  boot: Boot,
): BreakerState {
  const fresh = closedBreaker();
  if (saved.kind === "closed") return fresh;
  const isSameBoot = saved.boot !== null && saved.boot === boot.id;
  const wholeMs = Math.max(0, saved.untilMs - saved.sinceMs);
  const restMs = isSameBoot ? saved.untilMs - boot.ms : wholeMs * random;
  const leftMs = Math.min(wholeMs, Math.max(0, restMs));
  return {
    kind: "open",
    generation: fresh.generation,
    causes: saved.causes,
    counts: fresh.counts,
    sinceMs: isSameBoot ? nowMs - (boot.ms - saved.sinceMs) : nowMs,
    untilMs: nowMs + leftMs,
    openings: saved.openings,
  };
}

/** Reads what `saveBreaker` made; null for anything else, so that a damaged or newer value starts closed. */
export function parseSavedBreaker(json: string): SavedBreaker | null {
  try {
    const value: unknown = JSON.parse(json);
    return isSaved(value) ? value : null;
  } catch {
    // Not JSON: as damaged as any other value that is not ours.
    return null;
  }
}

function isSaved(value: unknown): value is SavedBreaker {
  if (typeof value !== "object" || value === null) return false;
  const saved = value as Record<string, unknown>;
  const numbers = ["sinceMs", "untilMs", "openings"].every((name) => Number.isFinite(saved[name]));
  const isKind = ["closed", "open", "half-open"].includes(String(saved["kind"]));
  const isBoot = saved["boot"] === null || typeof saved["boot"] === "string";
  const causes = saved["causes"];
  const isCauses = Array.isArray(causes) && causes.every((cause) => typeof cause === "string");
  return saved["v"] === 1 && numbers && isKind && isBoot && isCauses;
}
