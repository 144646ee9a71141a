import type { Database } from "../base/ports/database.ts";
import { loadMetrics, mergeCounted } from "../fleet/metrics/metrics-store.ts";
import { HOUR_MS, type MetricsSummary } from "../fleet/metrics/model.ts";
import { summarise } from "../fleet/metrics/summarise.ts";
import { sentCounts } from "./record-metrics.ts";

/** What happened on a server within the last `hours`, from its `state.db`; sent messages as the outbox knows them now. */
export function loadSummary(state: Database, hours: number, nowWallMs: number): MetricsSummary {
  const { operations, counts } = loadMetrics(state, hours, nowWallMs);
  const sent = sentCounts(state, nowWallMs - hours * HOUR_MS);
  return summarise({ operations, counts: mergeCounted(counts, sent) }, hours, nowWallMs);
}
