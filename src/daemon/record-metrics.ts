/**
 * Feeds the metrics from the events of a daemon. What happens is kept in memory for a moment and written in one relaxed
 * transaction, which waits for no disk: a daemon that is killed loses the last two seconds of its figures and nothing
 * else. The timer runs only while something waits.
 */
import { messageOf } from "../base/errors.ts";
import type { Clock } from "../base/ports/clock.ts";
import type { Database } from "../base/ports/database.ts";
import { saveCounted, saveMetrics } from "../fleet/metrics/metrics-store.ts";
import type { Counter, Operation } from "../fleet/metrics/model.ts";
import { MetricsRecorder } from "../fleet/metrics/recorder.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { MonitorEvent, Report } from "./events.ts";
import { sentCounts } from "./load-summary.ts";

const WRITE_AFTER_MS = 2_000;
/** What waits for a disk that takes nothing is bounded. Chosen, not measured. */
const WAITING_MAX = 10_000;
/** Sent messages are counted from the outbox, as commands send too; this often they are written down as well. */
const COUNT_SENT_EVERY_MS = 10 * 60_000;

/** Takes events and writes figures. */
export interface MetricsFeed {
  readonly take: Report;
  /** Writes what waits. */
  readonly close: () => void;
}

/** Opens the feed of a daemon. Nothing it does can fail: trouble with the database is told once while it lasts. */
export function openMetricsFeed(options: {
  readonly state: Database;
  readonly clock: Clock;
  readonly settings: () => ServerSettings;
  readonly report: Report;
}): MetricsFeed {
  const { state, clock, settings, report } = options;
  const recorder = new MetricsRecorder({ operationsMax: WAITING_MAX, keepMs: settings().metrics.keep });
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isFailing = false;
  let countedSent: { wallMs: number; monoMs: number } | null = null;

  const write = (isLast: boolean): void => {
    timer = null;
    const pending = recorder.take();
    const { keep: keepMs, operations: operationsMax } = settings().metrics;
    const nowWallMs = clock.wallMs();
    const sentSince = sinceWhen(isLast, nowWallMs - keepMs);
    try {
      state.relaxedTransaction(() => {
        saveMetrics(state, pending, { keepMs, operationsMax }, nowWallMs);
        if (sentSince !== null) saveCounted(state, sentCounts(state, sentSince));
      });
      if (sentSince !== null) countedSent = { wallMs: nowWallMs, monoMs: clock.monotonicMs() };
      isFailing = false;
    } catch (thrown) {
      recorder.giveBack(pending);
      if (!isFailing) report({ kind: "notice", text: `metrics cannot be written: ${messageOf(thrown)}` });
      isFailing = true;
    }
  };

  /** From when on sent messages are to be counted now, or null when that was done a moment ago. */
  function sinceWhen(isLast: boolean, firstWallMs: number): number | null {
    if (countedSent === null) return firstWallMs;
    const isDue = clock.monotonicMs() - countedSent.monoMs >= COUNT_SENT_EVERY_MS;
    return isLast || isDue ? countedSent.wallMs : null;
  }

  return {
    take(event) {
      const nowWallMs = clock.wallMs();
      const operation = operationOf(event);
      if (operation !== null) recorder.record({ ...operation, atWallMs: nowWallMs });
      for (const name of countersOf(event)) recorder.count(name, nowWallMs);
      if (recorder.isEmpty || timer !== null) return;
      timer = setTimeout(() => write(false), WRITE_AFTER_MS);
      timer.unref();
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      write(true);
    },
  };
}

/** The operation that an event tells of, or null. A handler that ran is one, whatever loop it ran in. */
function operationOf(event: MonitorEvent): Omit<Operation, "atWallMs"> | null {
  if (event.kind === "operation") return event;
  if (event.kind !== "handler" || event.durationMs === null) return null;
  const { rule, durationMs, exitCode } = event;
  return { type: "handler", durationMs, success: exitCode === 0, metadata: { rule } };
}

/** What an event counts as. Events that say the same as an operation, such as `trouble`, count as nothing. */
export function countersOf(event: MonitorEvent): readonly Counter[] {
  switch (event.kind) {
    case "operation":
      return countersOfOperation(event);
    case "message": {
      const { replyId, silence } = event.handled;
      if (silence === "history") return [];
      return [
        "messages_received",
        "messages_processed",
        ...(replyId === null ? [] : ["auto_responses" as const]),
      ];
    }
    case "handler":
      return [
        ...(event.replyId === null ? [] : ["auto_responses" as const]),
        ...(event.state === "done" ? [] : ["errors" as const]),
      ];
    case "failed":
    case "crashed":
      return ["errors"];
    default:
      return [];
  }
}

function countersOfOperation({
  type,
  success,
  metadata,
}: Extract<MonitorEvent, { kind: "operation" }>): readonly Counter[] {
  const errors: readonly Counter[] = success ? [] : ["errors"];
  if (type === "git_pull") return [...errors, success ? "git_pull_successes" : "git_pull_failures"];
  // A push without an entry carries only the card: that is what a heartbeat is.
  if (type === "git_push" && success && metadata["entries"] === 0) return ["heartbeats_sent"];
  return errors;
}
