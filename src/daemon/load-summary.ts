import type { DatabaseReader } from "../base/ports/database.ts";
import { countSentByMinute } from "../fleet/messaging/sent-counts.ts";
import { loadMetrics, mergeCounted } from "../fleet/metrics/metrics-store.ts";
import { HOUR_MS, type MetricsSummary, type MinuteCount } from "../fleet/metrics/model.ts";
import { summarise } from "../fleet/metrics/summarise.ts";

/** What happened on a server within the last `hours`, from its `state.db`; sent messages as the outbox knows them now. */
export function loadSummary(state: DatabaseReader, hours: number, nowWallMs: number): MetricsSummary {
  const { operations, counts } = loadMetrics(state, hours, nowWallMs);
  const sent = sentCounts(state, nowWallMs - hours * HOUR_MS);
  return summarise({ operations, counts: mergeCounted(counts, sent) }, hours, nowWallMs);
}

/** Sent messages as counters. */
export const sentCounts = (state: DatabaseReader, sinceWallMs: number): MinuteCount[] =>
  countSentByMinute(state, sinceWallMs).map((one) => ({ ...one, name: "messages_sent" as const }));
