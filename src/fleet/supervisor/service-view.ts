/** What is shown of an instance: one shape for the control socket, `list`, `status`, `stats` and `top`. */
import { describeEnd, type EndReason } from "./decide-restart.ts";
import type { Instance } from "./instance.ts";
import type { DependencyCondition } from "./model.ts";

/** What an instance does, in a word. */
export type ServiceState =
  | "stopped"
  /** Its process ended by itself, and its policy lets it be. */
  | "completed"
  | "failed"
  /** Waits for what it depends on. */
  | "blocked"
  | "starting"
  | "running"
  /** It was ready, and is not. */
  | "unready"
  | "stopping"
  /** Started again after a pause. */
  | "backoff"
  /** The same, slowly: it failed too often. */
  | "crash-loop";

/** States in which something is wrong with a service. */
export type FailingState = "crash-loop" | "failed" | "unready" | "backoff";

/** Whether something is wrong with a service that does this. */
export const isFailing = (state: ServiceState): state is FailingState =>
  state === "crash-loop" || state === "failed" || state === "unready" || state === "backoff";

/** What a tree of processes uses. */
export interface TreeUsage {
  /** Of one processor: 1.5 is one and a half; null before the second look. */
  readonly cpus: number | null;
  /** Since the daemon began to look, over all runs; it never falls. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly processes: number;
}

/** Something that a service depends on and that has not come far enough. */
export interface Awaited {
  readonly name: string;
  readonly condition: DependencyCondition;
  /** What its instances do. */
  readonly states: readonly ServiceState[];
}

/** In words, what a blocked instance waits for. */
export const describeAwaited = (awaited: readonly Awaited[]): string =>
  `waits for ${awaited.map(inWords).join(", ")}`;

const inWords = ({ name, condition, states }: Awaited): string =>
  `${condition === "completed" ? "the end of " : ""}${name} (${states.join(", ") || "unknown"})`;

/** One instance. Instants are wall ms; texts may be hostile. */
export interface ServiceView {
  /** `web`, or `web:2`. */
  readonly name: string;
  readonly service: string;
  readonly groups: readonly string[];
  readonly state: ServiceState;
  readonly wanted: boolean;
  readonly ready: boolean;
  readonly pid: number | null;
  readonly startedWallMs: number | null;
  readonly restarts: number;
  readonly policy: string;
  /** How it ended last. */
  readonly lastEnd: {
    readonly kind: EndReason["kind"];
    readonly text: string;
    readonly atWallMs: number | null;
  } | null;
  /** When it is started again, ms from now; null where it is not waiting for that. */
  readonly againInMs: number | null;
  /** What it waits for while it is blocked. */
  readonly awaits: readonly Awaited[];
  readonly usage: TreeUsage | null;
  /** Processors in use at the last looks, oldest first, for a sparkline. */
  readonly cpuTrend: readonly number[];
  readonly memoryTrend: readonly number[];
  readonly memoryLimitBytes: number | null;
  /** Its definition has changed since it was started. */
  readonly outdated: boolean;
  /** Takes the place of the one that runs once it is ready. */
  readonly successor: boolean;
  /** It is started anew without a gap. */
  readonly zeroDowntime: boolean;
  readonly command: readonly string[];
  /** From the configuration, or given by command. */
  readonly origin: "configured" | "given";
}

/** The facts of a view that an instance does not hold itself. */
export interface ViewFacts {
  readonly nowMonoMs: number;
  readonly awaits: readonly Awaited[];
  readonly usage: TreeUsage | null;
  readonly cpuTrend: readonly number[];
  readonly memoryTrend: readonly number[];
  readonly origin: "configured" | "given";
}

/** `web` where there is one, `web:2` where there are several. */
export const nameOf = ({ key, definition }: Pick<Instance, "key" | "definition">): string =>
  definition.instances === 1 && key.number === 1 ? key.service : `${key.service}:${key.number}`;

/** What there is to see of an instance now. */
export function viewOf(instance: Instance, facts: ViewFacts): ServiceView {
  const { state, definition, key, tree } = instance;
  const { phase, lastEnd } = state;
  return {
    name: nameOf(instance),
    service: key.service,
    groups: definition.groups,
    state: stateOf(instance),
    wanted: state.wanted,
    ready: instance.isReady,
    pid: tree?.identity.pid ?? null,
    startedWallMs: tree === null ? null : (instance.run?.startedWallMs ?? null),
    restarts: state.restarts,
    policy: definition.restart,
    lastEnd:
      lastEnd === null
        ? null
        : { kind: lastEnd.kind, text: describeEnd(lastEnd), atWallMs: instance.record.endedWallMs },
    againInMs: phase.kind === "waiting" ? Math.max(0, phase.untilMonoMs - facts.nowMonoMs) : null,
    awaits: facts.awaits,
    // What a run used last says nothing when it is gone.
    usage: tree === null ? null : facts.usage,
    cpuTrend: facts.cpuTrend,
    memoryTrend: facts.memoryTrend,
    memoryLimitBytes: definition.limits.memoryBytes,
    outdated: instance.isOutdated,
    successor: key.successor,
    zeroDowntime: definition.zeroDowntime,
    command: definition.command?.words ?? [],
    origin: facts.origin,
  };
}

/** See `ServiceState`. */
export function stateOf({ state }: Pick<Instance, "state">): ServiceState {
  const { phase, history, wanted, lastEnd } = state;
  switch (phase.kind) {
    case "stopped":
      if (!wanted || lastEnd === null || lastEnd.kind === "person") return "stopped";
      return lastEnd.kind === "code" && lastEnd.code === 0 ? "completed" : "failed";
    case "blocked":
      return "blocked";
    case "spawning":
      return "starting";
    case "running":
      if (phase.ready) return "running";
      return phase.readyMonoMs === null ? "starting" : "unready";
    case "ending":
      return "stopping";
    case "waiting":
      return history.isLooping ? "crash-loop" : "backoff";
  }
}

/** In words, why an instance is not ready. */
export function troubleOf({ state }: Pick<Instance, "state">): string {
  const { phase, lastEnd } = state;
  if (phase.kind === "blocked") return "it waits for what it depends on";
  return lastEnd === null ? `it is ${phase.kind}` : describeEnd(lastEnd);
}
