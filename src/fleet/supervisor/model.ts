/**
 * What a service is, with everything resolved: what the file leaves out has its default here, durations are ms, sizes
 * bytes. A service runs in one instance or in several, each a process tree of its own with a name of its own.
 */
import type { HostPort } from "../../base/host-port.ts";
import type { ProcessLimits } from "../../base/ports/process-host.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { serviceNameProblem } from "../../base/service-name.ts";

/** When a service is started again after it ended. */
export type RestartPolicy = "no" | "on-failure" | "always" | "unless-stopped";

/** What a service waits for of another one: that it runs, that it is ready, that it ended well. */
export type DependencyCondition = "started" | "ready" | "completed";

/** What is run: words for the system, or one text for the shell of the system. */
export interface ServiceCommand {
  /** The program and its arguments; of a shell's text the one word that it is. */
  readonly words: readonly string[];
  readonly shell: boolean;
}

/** Another service that this one needs. */
export interface Dependency {
  readonly name: string;
  readonly condition: DependencyCondition;
}

/** Pauses between tries, ms. */
export interface RestartPacing {
  readonly firstMs: number;
  readonly longestMs: number;
  /** So long ready, and the next failure counts as the first. */
  readonly stableMs: number;
  /** So many failures within `withinMs` are a crash loop; from then on the pause is `slowMs`. */
  readonly failures: number;
  readonly withinMs: number;
  readonly slowMs: number;
}

/** How a service is ended: the command, then the signal, then, after `timeoutMs`, by force. */
export interface StopPlan {
  readonly command: ServiceCommand | null;
  /** Such as "SIGTERM". */
  readonly signal: string;
  readonly to: "group" | "main";
  readonly timeoutMs: number;
}

/** What may be watched for changes; paths are absolute, or below `cwd`. */
export interface WatchPlan {
  /** Empty: everything below `cwd`. */
  readonly paths: readonly string[];
  /** Names and patterns beside `.git` and `node_modules`, which are always left out. */
  readonly ignore: readonly string[];
  readonly debounceMs: number;
}

/** How a probe asks. */
export type ProbeTarget =
  | {
      readonly kind: "http";
      readonly host: string;
      readonly port: number;
      readonly path: string;
      /** Codes that count as well; null: 200 to 399. */
      readonly statuses: readonly number[] | null;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "exec"; readonly command: readonly string[] }
  /** A line of the log that matches this regular expression (flag `u`). */
  | { readonly kind: "log"; readonly pattern: string }
  /** What the service says over `NOTIFY_SOCKET`: READY=1, and WATCHDOG=1 for liveness. */
  | { readonly kind: "notify" };

/** One question, asked again and again. */
export interface Probe {
  readonly target: ProbeTarget;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many bad answers in a row count as one failure. */
  readonly failures: number;
  /** So many good ones in a row as success. */
  readonly successes: number;
  /** The first question comes so long after the start, or after what it waits for. */
  readonly delayMs: number;
}

/** The three questions: has it started, may it be used, is it alive. Null: nobody asks. */
export interface Probes {
  readonly startup: Probe | null;
  readonly readiness: Probe | null;
  readonly liveness: Probe | null;
}

/** How much of a service's log is kept. */
export interface ServiceLogLimits {
  readonly fileBytes: number;
  readonly keepMs: number;
  readonly totalBytes: number;
  /** Lines in a second; 0: no limit. */
  readonly linesPerSecond: number;
}

/** A service that is a container. */
export interface ContainerPlan {
  readonly image: string;
  readonly pull: "missing" | "always" | "never";
  /** `[ADDRESS:]PORT:PORT[/udp]`. */
  readonly ports: readonly string[];
  /** `FOLDER:/INSIDE[:ro]`. */
  readonly volumes: readonly string[];
  readonly network: string | null;
}

/** One service, everything resolved. */
export interface ServiceDefinition {
  readonly name: string;
  /** Null only for a container that runs what its image says. */
  readonly command: ServiceCommand | null;
  /** Absolute; null: the home folder of the user it runs as. */
  readonly cwd: string | null;
  /** As written: `env:NAME` and `file:PATH` are resolved at the start, and never shown. */
  readonly env: Readonly<Record<string, string>>;
  readonly envFiles: readonly string[];
  /** Name or number; null: as the daemon. */
  readonly user: string | null;
  readonly group: string | null;
  readonly dependsOn: readonly Dependency[];
  /** Groups of services, for `start GROUP`. */
  readonly groups: readonly string[];
  readonly instances: number;
  readonly restart: RestartPolicy;
  readonly pacing: RestartPacing;
  readonly stop: StopPlan;
  readonly startTimeoutMs: number;
  readonly limits: ProcessLimits;
  readonly watch: WatchPlan | null;
  readonly probes: Probes;
  /** Addresses that the daemon listens on and hands over. */
  readonly listen: readonly HostPort[];
  readonly logs: ServiceLogLimits;
  readonly container: ContainerPlan | null;
  /** Whether it is started with the daemon. */
  readonly enabled: boolean;
  readonly zeroDowntime: boolean;
}

/** Names of the instances of a service: `web`, or `web:1` to `web:3`. */
export function instanceNames({ name, instances }: Pick<ServiceDefinition, "name" | "instances">): string[] {
  if (instances === 1) return [name];
  return Array.from({ length: instances }, (_, index) => `${name}:${index + 1}`);
}

/** Which instance of which service: `number` counts from 1, and is null where there is only one. */
export interface InstanceName {
  readonly service: string;
  readonly number: number | null;
}

/** Reads `web` or `web:2`. */
export function parseInstanceName(text: string): Result<InstanceName> {
  const match = /^(?<service>[^:]*)(?::(?<number>[1-9]\d?|100))?$/.exec(text);
  const { service = "", number } = match?.groups ?? {};
  const parsed = parseServiceName(service);
  if (match !== null && parsed.ok) {
    return ok({ service, number: number === undefined ? null : Number(number) });
  }
  return fail(`Cannot read instance "${text.slice(0, 80)}": need NAME or NAME:NUMBER, such as web:2`);
}

/** Reads the name of a service, or of a group of them. */
export function parseServiceName(text: string): Result<string> {
  const problem = serviceNameProblem(text);
  return problem === null ? ok(text) : fail(`Cannot use name "${text.slice(0, 80)}": ${problem}`);
}

/** The name of an instance as folders have it: a colon means something else on Windows. */
export const folderOfInstance = (instance: string): string => instance.replace(":", ".");

/** The folder of an instance; the first one keeps its own when there come to be several. */
export const folderOfKey = ({
  service,
  number,
}: {
  readonly service: string;
  readonly number: number;
}): string => (number === 1 ? service : folderOfInstance(`${service}:${number}`));
