/** When what becomes of an instance that was started can be told: whether it is up, or why not. */
import type { ServiceState, ServiceView } from "./service-view.ts";

/** Nothing more happens soon. */
const SETTLED: ReadonlySet<ServiceState> = new Set([
  "running",
  "completed",
  "failed",
  "backoff",
  "crash-loop",
  "stopped",
]);

/**
 * What runs counts as started when it has lived so long: a program whose file or argument is missing ends within a
 * few hundred ms, and would be told as running. Chosen.
 */
const LIVED_MS = 500;

/** In how many ms it can be told, if nothing happens meanwhile: 0 is now, infinity when something has to happen first. */
export function settlesInMs(
  { state, startedWallMs }: Pick<ServiceView, "state" | "startedWallMs">,
  nowWallMs: number,
): number {
  if (!SETTLED.has(state)) return Number.POSITIVE_INFINITY;
  // A clock that was set back makes nothing young.
  if (state !== "running" || startedWallMs === null || startedWallMs > nowWallMs) return 0;
  return Math.max(0, startedWallMs + LIVED_MS - nowWallMs);
}

/**
 * Whether an instance was started since it was looked at `before`: another run is under way, or has come to its end.
 * Undefined: it was not there.
 */
export const wasStartedSince = (
  before: Pick<ServiceView, "startedWallMs" | "lastEnd"> | undefined,
  now: Pick<ServiceView, "startedWallMs" | "lastEnd">,
): boolean =>
  before === undefined ||
  now.startedWallMs !== before.startedWallMs ||
  now.lastEnd?.atWallMs !== before.lastEnd?.atWallMs;
