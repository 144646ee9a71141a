import type { ServerSettings, ServiceFile } from "../settings/model.ts";
import type { Probe, Probes, ProbeTarget, ServiceCommand, ServiceDefinition } from "./model.ts";

/** What holds for every service of this machine that says nothing else. */
export type SupervisorSettings = ServerSettings["supervisor"];

const DEBOUNCE_MS = 500;
const LOOPBACK = "127.0.0.1";

/** Chosen, not measured: what starts is asked often, so that it counts as ready soon; what is alive, seldom. */
const PROBE_DEFAULTS = {
  startup: { intervalMs: 1_000, timeoutMs: 5_000, failures: 0 },
  readiness: { intervalMs: 1_000, timeoutMs: 5_000, failures: 3 },
  liveness: { intervalMs: 10_000, timeoutMs: 5_000, failures: 3 },
} as const;

/** The service `name` with everything that the file leaves out. */
export function resolveService(
  name: string,
  file: ServiceFile,
  defaults: SupervisorSettings,
): ServiceDefinition {
  const startTimeoutMs = file.start_timeout ?? defaults.start_timeout;
  return {
    name,
    command: file.command === undefined ? null : toCommand(file.command),
    ...surroundingsOf(file),
    dependsOn: Object.entries(file.depends_on ?? {}).map(([other, condition]) => ({
      name: other,
      condition,
    })),
    groups: [...new Set(file.groups)],
    instances: file.instances ?? 1,
    restart: file.restart ?? "on-failure",
    pacing: pacingOf(file, defaults),
    stop: stopOf(file, defaults),
    startTimeoutMs,
    limits: limitsOf(file),
    watch: watchOf(file),
    probes: probesOf(file, startTimeoutMs),
    listen: file.listen ?? [],
    logs: logLimitsOf(file, defaults),
    container: containerOf(file),
    enabled: file.enabled ?? true,
    zeroDowntime: file.zero_downtime ?? false,
  };
}

/** Every service of a configuration, in the order of the file. */
export const resolveServices = (
  settings: Pick<ServerSettings, "services" | "supervisor">,
): readonly ServiceDefinition[] =>
  Object.entries(settings.services).map(([name, file]) => resolveService(name, file, settings.supervisor));

const toCommand = (command: readonly string[] | string): ServiceCommand =>
  typeof command === "string" ? { words: [command], shell: true } : { words: command, shell: false };

/** Where and as whom it runs. */
const surroundingsOf = (
  file: ServiceFile,
): Pick<ServiceDefinition, "cwd" | "env" | "envFiles" | "user" | "group"> => ({
  cwd: file.cwd ?? null,
  env: file.env ?? {},
  envFiles: file.env_file ?? [],
  user: file.user ?? null,
  group: file.group ?? null,
});

const pacingOf = ({ backoff }: ServiceFile, defaults: SupervisorSettings): ServiceDefinition["pacing"] => ({
  firstMs: backoff?.first ?? defaults.backoff_first,
  longestMs: backoff?.longest ?? defaults.backoff_longest,
  stableMs: backoff?.stable ?? defaults.backoff_stable,
  failures: backoff?.failures ?? defaults.crash_failures,
  withinMs: backoff?.within ?? defaults.crash_within,
  slowMs: backoff?.slow ?? defaults.crash_slow,
});

const stopOf = ({ stop }: ServiceFile, defaults: SupervisorSettings): ServiceDefinition["stop"] => ({
  command: stop?.command === undefined ? null : toCommand(stop.command),
  signal: stop?.signal ?? "SIGTERM",
  to: stop?.to ?? "group",
  timeoutMs: stop?.timeout ?? defaults.stop_timeout,
});

const limitsOf = ({ limits }: ServiceFile): ServiceDefinition["limits"] => ({
  memoryBytes: limits?.memory ?? null,
  cpus: limits?.cpus ?? null,
  pids: limits?.pids ?? null,
});

/** How much of the log of a service is kept. */
export const logLimitsOf = (
  { logs }: Pick<ServiceFile, "logs">,
  defaults: SupervisorSettings,
): ServiceDefinition["logs"] => ({
  fileBytes: logs?.file_size ?? defaults.log_file_size,
  keepMs: logs?.keep ?? defaults.log_keep,
  totalBytes: logs?.total ?? defaults.log_total,
  linesPerSecond: logs?.rate ?? defaults.log_rate,
});

function watchOf({ watch }: ServiceFile): ServiceDefinition["watch"] {
  if (watch === undefined) return null;
  return {
    paths: watch.paths ?? [],
    ignore: watch.ignore ?? [],
    debounceMs: watch.debounce ?? DEBOUNCE_MS,
  };
}

function containerOf({ container }: ServiceFile): ServiceDefinition["container"] {
  if (container === undefined) return null;
  return {
    image: container.image,
    pull: container.pull ?? "missing",
    ports: container.ports ?? [],
    volumes: container.volumes ?? [],
    network: container.network ?? null,
  };
}

type ProbeFile = NonNullable<NonNullable<ServiceFile["probes"]>["startup"]>;

function probesOf({ probes }: ServiceFile, startTimeoutMs: number): Probes {
  const one = (name: keyof Probes): Probe | null =>
    probes?.[name] === undefined ? null : toProbe(name, probes[name], startTimeoutMs);
  return { startup: one("startup"), readiness: one("readiness"), liveness: one("liveness") };
}

function toProbe(name: keyof Probes, file: ProbeFile, startTimeoutMs: number): Probe {
  const standard = PROBE_DEFAULTS[name];
  const intervalMs = file.interval ?? standard.intervalMs;
  // A start has its own deadline, which a probe of the start should not end before its time.
  const patience =
    name === "startup" ? Math.max(1, Math.ceil(startTimeoutMs / intervalMs)) : standard.failures;
  return {
    target: toTarget(file),
    intervalMs,
    timeoutMs: file.timeout ?? standard.timeoutMs,
    failures: file.failures ?? patience,
    successes: file.successes ?? 1,
    delayMs: file.delay ?? 0,
  };
}

/** The schema lets exactly one of the ways stand in a probe. */
function toTarget({ http, tcp, exec, log }: ProbeFile): ProbeTarget {
  if (http !== undefined) {
    return {
      kind: "http",
      host: http.host ?? LOOPBACK,
      port: http.port,
      path: http.path ?? "/",
      statuses: http.status ?? null,
      headers: http.headers ?? {},
    };
  }
  if (tcp !== undefined) return { kind: "tcp", host: tcp.host ?? LOOPBACK, port: tcp.port };
  if (exec !== undefined) return { kind: "exec", command: exec };
  return log === undefined ? { kind: "notify" } : { kind: "log", pattern: log };
}
