import type { ServiceView } from "../../src/fleet/supervisor/service-view.ts";

/** An instance that runs and is well, with what a test wants otherwise. */
export const serviceView = (name: string, facts: Partial<ServiceView> = {}): ServiceView => ({
  name,
  service: name.split(":")[0] ?? name,
  groups: [],
  state: "running",
  wanted: true,
  ready: true,
  pid: 4711,
  startedWallMs: 0,
  restarts: 0,
  policy: "on-failure",
  lastEnd: null,
  againInMs: null,
  awaits: [],
  usage: { cpus: 0.25, cpuMs: 1_000, residentBytes: 10 * 1024 ** 2, processes: 1 },
  cpuTrend: [0.1, 0.2, 0.25],
  memoryTrend: [1, 2, 3],
  memoryLimitBytes: null,
  outdated: false,
  successor: false,
  command: ["/usr/bin/serve", name],
  origin: "configured",
  zeroDowntime: false,
  ...facts,
});
