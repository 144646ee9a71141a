import { formatDuration } from "../../base/duration.ts";
import { fromInstant } from "../../base/instant.ts";
import type { Delivery, Recipient } from "./delivery.ts";

/** A recipient that was not heard of for so long is told to be silent. Chosen: two heartbeats. */
const SILENT_MS = 10 * 60_000;

/** How many silent servers are named. Chosen: one line of a screen. */
const NAMED_MAX = 3;

/**
 * What became of a message in one line: `"3 of 5 read, 1 acked, 1 not seen: db3 silent since 2 h"`. A server that
 * handled or acknowledged a message counts as one that read it.
 */
export function summarizeDelivery({ state, recipients }: Delivery, nowWallMs: number): string {
  if (state !== "pushed") return state;
  if (recipients.length === 0) return "on the remote, nobody in particular is expected to read it";
  const said = (...states: string[]): number =>
    recipients.filter((one) => one.receipts.some((receipt) => states.includes(receipt))).length;
  const total = recipients.length;
  const read = said("read", "acked", "handled");
  const unseen = recipients.filter((one) => one.state === "pushed" || one.state === "expired");
  const parts = [`${read} of ${total} read`];
  if (read === 0 && unseen.length < total) parts[0] = `${total - unseen.length} of ${total} seen`;
  if (said("acked") > 0) parts.push(`${said("acked")} acked`);
  if (said("handled") > 0) parts.push(`${said("handled")} handled`);
  if (unseen.length > 0) parts.push(`${unseen.length} not seen${silence(unseen, nowWallMs)}`);
  return parts.join(", ");
}

function silence(unseen: readonly Recipient[], nowWallMs: number): string {
  const words = unseen.flatMap((one) => {
    if (one.lastSeenAt === null) return [`${one.server} never heard of`];
    const silentMs = nowWallMs - fromInstant(one.lastSeenAt);
    return silentMs < SILENT_MS ? [] : [`${one.server} silent since ${formatDuration(silentMs)}`];
  });
  if (words.length === 0) return "";
  const more = words.length - NAMED_MAX;
  return `: ${words.slice(0, NAMED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
