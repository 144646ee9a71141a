/** What happened to a service, in words for console and log. */
import { formatDuration } from "../base/duration.ts";
import type { LogLevel, LogMetadata } from "../base/log-line.ts";
import { describeEnd, type EndReason } from "../fleet/supervisor/decide-restart.ts";
import type { MonitorEvent } from "./events.ts";
import type { LoggedEvent } from "./log-event.ts";

/** Level and words of an event of a service. */
export function describeService({ name, report }: Extract<MonitorEvent, { kind: "service" }>): LoggedEvent {
  const line = (level: LogLevel, words: string, metadata: LogMetadata = {}): LoggedEvent => ({
    level,
    title: "service",
    detail: `${name} ${words}`,
    metadata: { service: name, what: report.kind, ...metadata },
  });
  switch (report.kind) {
    case "started":
      return line("INFO", `started, pid ${report.pid}`, { pid: report.pid });
    case "adopted":
      return line("INFO", `runs on, pid ${report.pid}`, { pid: report.pid });
    case "ready":
      return line("INFO", `is ready after ${formatDuration(report.afterMs)}`, {
        after_ms: Math.round(report.afterMs),
      });
    case "unready":
      return line("WARNING", "is not ready any more");
    case "stopped":
      return line("INFO", "stopped");
    case "ended":
      return line(levelOfEnd(report.why), `ended: ${describeEnd(report.why)}${againIn(report.againMs)}`, {
        reason: report.why.kind,
        again_ms: report.againMs,
      });
    case "looping":
      return line(
        "CRITICAL",
        `crash loop: ${report.failures} failures in a row, the last one ${describeEnd(report.why)}; it is tried again slowly`,
        { reason: report.why.kind, failures: report.failures },
      );
  }
}

function levelOfEnd(why: EndReason): LogLevel {
  if (why.kind === "person" || why.kind === "watch") return "INFO";
  return why.kind === "code" && why.code === 0 ? "INFO" : "ERROR";
}

function againIn(againMs: number | null): string {
  if (againMs === null) return "";
  return againMs === 0 ? ", started again" : `, again in ${formatDuration(againMs)}`;
}
