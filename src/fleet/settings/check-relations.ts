import { formatDuration } from "../../base/duration.ts";
import { formatSize } from "../../base/size.ts";
import { checkServices } from "./check-services.ts";
import type { ServerSettings } from "./model.ts";
import { type SettingPath, valueAt } from "./setting-paths.ts";

/** A setting that does not go with another one, or that would stop what it paces. */
export interface Contradiction {
  readonly path: SettingPath;
  /** The other setting, if there is one: either may have been meant. */
  readonly other: SettingPath | null;
  readonly message: string;
}

/** Pairs of which the first must not be more than the second. */
const NOT_ABOVE: readonly (readonly [string, string])[] = [
  ["retry.first", "retry.longest"],
  ["poll.conversation", "poll.idle"],
  ["health.disk_critical", "health.disk_warn"],
  ["health.remote_warn", "health.remote_critical"],
  ["log.file_size", "log.total"],
  ["supervisor.backoff_first", "supervisor.backoff_longest"],
  ["supervisor.log_file_size", "supervisor.log_total"],
];

/** Durations and sizes of nothing would make a loop spin, end every call at once, or keep nothing at all. */
const ABOVE_ZERO: readonly string[] = [
  "interval",
  "timeouts.fetch",
  "timeouts.push",
  "timeouts.network",
  "heartbeat.every",
  "poll.conversation",
  "poll.idle",
  "push_budget.every",
  "queue.expires",
  "compaction.every",
  "compaction.live",
  "log.file_size",
  "log.keep",
  "log.total",
  "supervisor.sample",
  "supervisor.start_timeout",
  "supervisor.backoff_first",
  "supervisor.crash_within",
  "supervisor.crash_slow",
  "supervisor.log_file_size",
  "supervisor.log_keep",
  "supervisor.log_total",
  "metrics.keep",
  "health.interval",
];

const SIZES: ReadonlySet<string> = new Set([
  "health.disk_critical",
  "log.file_size",
  "supervisor.log_file_size",
]);

/** What is wrong between settings that are each right by themselves. */
export function checkRelations(settings: ServerSettings): Contradiction[] {
  const zero = ABOVE_ZERO.filter((key) => numberAt(settings, key) === 0).map((key) => ({
    path: key.split("."),
    other: null,
    message: "need more than 0",
  }));
  const crossed = NOT_ABOVE.flatMap(([lower, upper]) => {
    const [low, high] = [numberAt(settings, lower), numberAt(settings, upper)];
    if (low <= high) return [];
    const say = SIZES.has(lower) ? formatSize : formatDuration;
    const message = `${say(low)} is more than ${upper} (${say(high)})`;
    return [{ path: lower.split("."), other: upper.split("."), message }];
  });
  return [...zero, ...crossed, ...checkServices(settings)];
}

/** A key that is no number any more is a mistake of these tables, and would go unnoticed. */
function numberAt(settings: ServerSettings, key: string): number {
  const value = valueAt(settings, key.split("."));
  if (typeof value !== "number") throw new Error(`Broken invariant: the setting "${key}" is no number`);
  return value;
}
