import { fromInstant } from "../../base/instant.ts";
import type { StoredCard } from "./stored-cards.ts";

/** Whether a server is there: `quiet` missed one heartbeat, `silent` two; `unknown` before its first card. */
export type PresenceState = "online" | "quiet" | "silent" | "unknown";

/** What its last card says of a server. `seenWallMs`: when it was last heard of, which is since when it is silent. */
export interface Presence {
  readonly state: PresenceState;
  readonly seenWallMs: number | null;
}

/** How often a server shows itself: after `idle` without a push, and then `every` so often; the reader's settings. */
export interface Heartbeat {
  readonly idle: number;
  readonly every: number;
}

/** When a server was last heard of: what its card says, and never later than the card came here. */
export const lastSeenWallMs = (stored: Pick<StoredCard, "card" | "receivedWallMs">): number =>
  Math.min(fromInstant(stored.card.at), stored.receivedWallMs);

/** The one judgement on whether a server is there, by the age of its card against its heartbeat. */
export function presenceOf(seenWallMs: number | null, nowWallMs: number, heartbeat: Heartbeat): Presence {
  if (seenWallMs === null) return { state: "unknown", seenWallMs };
  const ageMs = nowWallMs - seenWallMs;
  const { idle, every } = heartbeat;
  if (ageMs <= every + idle) return { state: "online", seenWallMs };
  return { state: ageMs <= 2 * every + idle ? "quiet" : "silent", seenWallMs };
}
