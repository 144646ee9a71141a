import type { ServiceView } from "../fleet/supervisor/service-view.ts";

const instant = (wallMs: number | null): string | null =>
  wallMs === null ? null : new Date(wallMs).toISOString();

/** An instance as JSON answers have it. */
export const serviceToJson = (one: ServiceView): Record<string, unknown> => ({
  name: one.name,
  service: one.service,
  state: one.state,
  wanted: one.wanted,
  ready: one.ready,
  pid: one.pid,
  started_at: instant(one.startedWallMs),
  restarts: one.restarts,
  restart: one.policy,
  last_end:
    one.lastEnd === null
      ? null
      : { reason: one.lastEnd.kind, text: one.lastEnd.text, at: instant(one.lastEnd.atWallMs) },
  again_in_ms: one.againInMs === null ? null : Math.round(one.againInMs),
  usage:
    one.usage === null
      ? null
      : {
          cpus: one.usage.cpus,
          cpu_ms: one.usage.cpuMs,
          memory_bytes: one.usage.residentBytes,
          processes: one.usage.processes,
        },
  memory_limit_bytes: one.memoryLimitBytes,
  groups: one.groups,
  command: one.command,
  origin: one.origin,
  outdated: one.outdated,
  successor: one.successor,
});
