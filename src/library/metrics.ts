/**
 * `fleetd/metrics`: the metrics of a server, and the same metrics for programs of your own. Runs in Bun and in Node; a
 * recorder needs neither a server nor a database.
 */
import { join } from "node:path";
import { loadSummary } from "../daemon/load-summary.ts";
import {
  type Counter,
  HOUR_MS,
  type MetricsSummary,
  type OperationMetadata,
} from "../fleet/metrics/model.ts";
import { MetricsRecorder } from "../fleet/metrics/recorder.ts";
import { summarise } from "../fleet/metrics/summarise.ts";
import { openDatabaseReader } from "../platform/database-reader.ts";

/** How a recorder keeps what it is told. `operationsMax`: 10,000; `keepHours`: 720; `now`: the wall clock in ms. */
export interface MetricsOptions {
  readonly operationsMax?: number;
  readonly keepHours?: number;
  readonly now?: () => number;
}

/** Operations and counters of this process, in memory and bounded. */
export class Metrics {
  readonly #now: () => number;
  readonly #recorder: MetricsRecorder;

  constructor({ operationsMax = 10_000, keepHours = 720, now = Date.now }: MetricsOptions = {}) {
    this.#now = now;
    this.#recorder = new MetricsRecorder({ operationsMax, keepMs: keepHours * HOUR_MS });
  }

  /** Something ended just now: what, after how many ms, and how. */
  recordOperation(
    type: string,
    durationMs: number,
    outcome: { readonly success?: boolean; readonly metadata?: OperationMetadata } = {},
  ): void {
    const { success = true, metadata = {} } = outcome;
    this.#recorder.record({ atWallMs: this.#now(), type, durationMs, success, metadata });
  }

  /** Something happened just now, `by` times. */
  increment(counter: Counter, by = 1): void {
    this.#recorder.count(counter, this.#now(), by);
  }

  /** What happened within the last `hours`. */
  getSummary(hours = 24): MetricsSummary {
    return summarise(this.#recorder.look(), hours, this.#now());
  }
}

/** The recorder of this process. */
export const metrics: Metrics = new Metrics();

/**
 * What the server in `folder` (such as `~/.local/state/fleetd/code1`) did within the last `hours`: the answer of
 * `fleetd metrics --json`. Works beside a running monitor, and without one.
 * @throws an `Error` with `code` `"UNAVAILABLE"` in a Node without SQLite (before 22.5), `"IO"` when there is no such server
 */
export async function getServerSummary(folder: string, hours = 24): Promise<MetricsSummary> {
  const state = await openDatabaseReader(join(folder, "state.db"));
  try {
    return loadSummary(state, hours, Date.now());
  } finally {
    state.close();
  }
}
