import { systemClock } from "../platform/clock.ts";
import { openLogFile } from "../platform/log-file.ts";
import { openDaemonLog } from "./daemon-log.ts";
import type { Report } from "./events.ts";
import type { MonitorOptions } from "./monitor-context.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { openMetricsFeed } from "./record-metrics.ts";

/** Everybody who listens to the events of one daemon. */
export interface Observed {
  readonly report: Report;
  /** Writes down what waits; the listeners of the process's end are taken off. */
  readonly close: () => void;
}

/**
 * Hands every event to the metrics, to the daemon's log, then to the console. The caller holds the daemon's lock, so nobody
 * else writes the log.
 */
export function observe(mailbox: Mailbox, options: MonitorOptions): Observed {
  const log = openDaemonLog({
    server: mailbox.identity.server,
    settings: options.settings,
    clock: systemClock,
    report: options.report,
    open: (given) => openLogFile(mailbox.paths.logs, given),
  });
  const metrics = openMetricsFeed({
    state: mailbox.state,
    clock: systemClock,
    settings: options.settings,
    report(event) {
      log.take(event);
      options.report(event);
    },
  });
  // A second signal, or a bug that ends the process, still leaves what the log took.
  process.on("exit", log.close);
  return {
    report(event) {
      metrics.take(event);
      log.take(event);
      options.report(event);
    },
    close() {
      process.off("exit", log.close);
      metrics.close();
      log.close();
    },
  };
}
