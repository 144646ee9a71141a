import type { BreakerFacts, MonitorFacts, RemoteFacts } from "../fleet/health/model.ts";
import type { DaemonStatus } from "../http/protocol.ts";

/**
 * What a monitor tells of itself, as facts of health. A monitor of another version may tell less than this one knows
 * of, so everything that was added later is asked for.
 */
export function monitorFacts(status: DaemonStatus): MonitorFacts {
  return {
    pid: status.pid,
    version: status.version,
    startedWallMs: status.startedWallMs,
    answers: true,
  };
}

/** What the monitor knows of the remote. */
export function remoteFacts(status: DaemonStatus, url: string): RemoteFacts {
  return {
    url,
    lookedAt: "by-monitor",
    sinceWallMs: status.startedWallMs,
    lastFetchWallMs: status.lastFetchWallMs,
    lastPushWallMs: status.lastPushWallMs,
    trouble: status.trouble,
  };
}

/** The circuit breaker around the monitor's remote. */
export function breakerFacts({ remote: { breaker } }: DaemonStatus): BreakerFacts | null {
  const { state, refusesForMs } = breaker;
  return { state, untilWallMs: state === "open" ? Date.now() + refusesForMs : null };
}
