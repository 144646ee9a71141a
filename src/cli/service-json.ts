import type { ServiceLine } from "../base/ports/service-log.ts";
import type { ServiceDetail } from "../fleet/supervisor/service-detail.ts";
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
  waits_for: one.awaits,
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

/** Everything there is to know of an instance, with the last lines of its log. */
export const detailToJson = (
  { view, ...one }: ServiceDetail,
  log: readonly ServiceLine[],
): Record<string, unknown> => ({
  ...serviceToJson(view),
  since: instant(one.sinceWallMs),
  shell: one.isShell,
  cwd: one.cwd,
  user: one.user,
  group: one.group,
  env_names: one.variables,
  env_files: one.envFiles,
  image: one.image,
  enabled: one.isEnabled,
  depends_on: one.dependsOn,
  limits: {
    memory_bytes: one.limits.memoryBytes,
    cpus: one.limits.cpus,
    pids: one.limits.pids,
  },
  stop: { signal: one.stop.signal, timeout_ms: one.stop.timeoutMs },
  probes: one.probes.map(({ name, target, intervalMs, isWell, detail }) => ({
    probe: name,
    target,
    interval_ms: intervalMs,
    well: isWell,
    detail,
  })),
  ends: one.ends.map(({ kind, text, atWallMs }) => ({ reason: kind, text, at: instant(atWallMs) })),
  processes: one.processes.map(({ pid, parent, name, cpuMs, residentBytes }) => ({
    pid,
    parent,
    name,
    cpu_ms: cpuMs,
    memory_bytes: residentBytes,
  })),
  listeners: one.listeners,
  log: log.map(({ timestamp, level, text }) => ({ timestamp, level, message: text })),
});
