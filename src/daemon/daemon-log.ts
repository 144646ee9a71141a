import { toInstant } from "../base/instant.ts";
import {
  formatLogLine,
  isAtLeast,
  type LogLevel,
  type LogMetadata,
  parseLogLevel,
} from "../base/log-line.ts";
import type { Clock } from "../base/ports/clock.ts";
import type { LogFile, LogFileEvents, LogLimits } from "../base/ports/log-file.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { MonitorEvent, Report } from "./events.ts";
import { describeEvent, messageOfEvent } from "./log-event.ts";

/** What a daemon's log is made of. `open`: the file, given its limits and whom to tell of trouble. */
export interface DaemonLogOptions {
  readonly server: string;
  readonly settings: () => ServerSettings;
  readonly clock: Clock;
  /** Told when the log itself is in trouble; nothing that is told here comes back into the log. */
  readonly report: Report;
  readonly open: (options: { limits: () => LogLimits; clock: Clock } & LogFileEvents) => LogFile;
}

/** A daemon's log: takes every event, writes those of its level. */
export interface DaemonLog {
  readonly take: Report;
  readonly close: () => void;
}

/** The least urgent level that is written and shown under `settings`. */
export const leastLevel = ({ log }: ServerSettings): LogLevel => parseLogLevel(log.level) ?? "INFO";

/** Opens the log of a daemon. Nothing it does can fail: a log that cannot be written is told of once. */
export function openDaemonLog(options: DaemonLogOptions): DaemonLog {
  const { server, settings, clock, report } = options;
  const file = options.open({
    limits: () => limitsOf(settings()),
    clock,
    onTrouble: (detail) =>
      report({ kind: "notice", text: `the log cannot be written and lines may be lost: ${detail}` }),
    onRecovered: (lost) => {
      const message = `notice: the log is written again, ${lost} line(s) of it were lost`;
      write("WARNING", message, { lines_lost: lost });
      report({ kind: "notice", text: `the log is written again, ${lost} line(s) of it were lost` });
    },
  });

  function write(level: LogLevel, message: string, metadata: LogMetadata): void {
    file.write(formatLogLine({ timestamp: toInstant(clock.wallMs()), level, message, server, metadata }));
  }

  return {
    take(event: MonitorEvent): void {
      const described = describeEvent(event);
      const { level, metadata } = described;
      if (!isAtLeast(level, leastLevel(settings()))) return;
      write(level, messageOfEvent(described), metadata);
      // What came before a failure is worth most right after it.
      if (isAtLeast(level, "ERROR")) file.flush();
    },
    close: () => file.close(),
  };
}

const limitsOf = ({ log }: ServerSettings): LogLimits => ({
  fileBytes: log.file_size,
  keepMs: log.keep,
  totalBytes: log.total,
});
