import type { ServerSettings } from "./model.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 ** 2;

/**
 * What holds where nobody says anything else. Figures are the design's unless a line says otherwise; this file is
 * apart from the schema so that a command without a configuration file never loads the validator (3 ms of a start).
 */
export const DEFAULT_SETTINGS: ServerSettings = {
  interval: 10 * SECOND_MS,
  groups: [],
  labels: {},
  auto_reply: { enabled: true, status: true, per_thread: 3, per_peer: 10, per_host: 50 },
  trust: { mode: "first-sight", keys: {} },
  rules: [],
  // Chosen, not measured, but for the timeout and the output.
  handlers: {
    timeout: MINUTE_MS,
    output: 64 * 1024,
    concurrency: 4,
    queue: 1_000,
    attempts: 3,
    retry: 10 * SECOND_MS,
    grace: 5 * SECOND_MS,
  },
  timeouts: { fetch: 30 * SECOND_MS, push: 30 * SECOND_MS, network: 5 * SECOND_MS },
  retry: { retries: 3, first: 2 * SECOND_MS, longest: 8 * SECOND_MS, limited: MINUTE_MS },
  breaker: { failures: 5, open_for: 300 * SECOND_MS, successes: 2 },
  heartbeat: { idle: 120 * SECOND_MS, every: 5 * MINUTE_MS },
  // The pace of long silence is chosen, not measured: it triples the interval and halves a big fleet's questions.
  poll: {
    conversation: SECOND_MS,
    conversation_for: MINUTE_MS,
    idle: 30 * SECOND_MS,
    idle_after: 30 * MINUTE_MS,
  },
  push_budget: { mode: "auto", burst: 6, every: 10 * SECOND_MS },
  queue: { expires: 7 * DAY_MS, attempts: 5 },
  // Chosen: a week and 1,000 entries are what somebody who starts anew can still read, and more than any wait lasts.
  compaction: {
    enabled: true,
    every: DAY_MS,
    keep: 7 * DAY_MS,
    entries: 1_000,
    live: 30 * DAY_MS,
    batches: 500,
  },
  log: { level: "info", file_size: 10 * MIB, keep: 14 * DAY_MS, total: 100 * MIB },
  services: {},
  // Pauses and the figures of a crash loop are the design's; the rest is chosen, not measured.
  supervisor: {
    sample: 2 * SECOND_MS,
    cgroup: "auto",
    keep_children: true,
    notify: [],
    start_timeout: MINUTE_MS,
    stop_timeout: 10 * SECOND_MS,
    backoff_first: SECOND_MS / 2,
    backoff_longest: MINUTE_MS,
    backoff_stable: 10 * SECOND_MS,
    crash_failures: 5,
    crash_within: MINUTE_MS,
    crash_slow: 5 * MINUTE_MS,
    log_file_size: 10 * MIB,
    log_keep: 14 * DAY_MS,
    log_total: 100 * MIB,
    log_rate: 10_000,
  },
  metrics: { keep: 30 * DAY_MS, operations: 100_000 },
  health: {
    interval: 100 * SECOND_MS,
    disk_warn: 1024 * MIB,
    disk_critical: 512 * MIB,
    memory_warn: 95,
    remote_warn: 5 * MINUTE_MS,
    remote_critical: 30 * MINUTE_MS,
    queue_warn: 5 * MINUTE_MS,
  },
};
