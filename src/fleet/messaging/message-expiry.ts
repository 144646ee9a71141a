import { fromInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { MessageEntry } from "./model.ts";
import { findCard } from "./stored-cards.ts";

/** A clock is taken for wrong when it differs by more than this from the sender's card. */
const SKEW_MS_MAX = 5 * 60_000;

/**
 * Whether a message's time is over. `skewMs`: own clock minus the sender's; where they differ too much, the time to
 * live counts from the moment the message was first seen here.
 */
export function isExpired(
  message: MessageEntry,
  at: { readonly receivedMs: number; readonly nowMs: number; readonly skewMs: number },
): boolean {
  if (message.expires_at === undefined) return false;
  const expiresMs = fromInstant(message.expires_at);
  if (Math.abs(at.skewMs) <= SKEW_MS_MAX) return at.nowMs > expiresMs;
  return at.nowMs - at.receivedMs > expiresMs - fromInstant(message.at);
}

/** Own clock minus the clock of `server`, by its last card, ms; 0 while it has none. */
export function clockSkewOf(index: Database, server: string): number {
  const stored = findCard(index, server);
  return stored === null ? 0 : stored.receivedWallMs - fromInstant(stored.card.at);
}
