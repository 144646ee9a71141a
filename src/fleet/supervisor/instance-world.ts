/** What instances act through: ports, and what the daemon looks up for them. */
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessHost, ProcessTree, SpawnRequest } from "../../base/ports/process-host.ts";
import type { EndReason } from "./decide-restart.ts";
import type { Instance } from "./instance.ts";
import type { InstanceReport } from "./instance-model.ts";
import type { ServiceCommand, ServiceDefinition } from "./model.ts";
import type { ProbeAnswers } from "./service-detail.ts";
import type { InstanceKey, RunProgress, ServiceStore } from "./service-store.ts";

/** What probes are told and tell. */
export interface ProbeWatch {
  readonly key: InstanceKey;
  readonly definition: ServiceDefinition;
  readonly tree: ProcessTree;
  /** How far it had come under an earlier daemon. */
  readonly progress: RunProgress;
  /** Its startup probe succeeded, and it is not ready yet. */
  readonly onStarted: () => void;
  readonly onReady: (ready: boolean) => void;
  readonly onUnwell: (why: EndReason) => void;
}

/** Probes at work. */
export interface RunningProbes {
  /** A line that the service wrote. */
  line(text: string): void;
  /** What each said last. */
  answers(): ProbeAnswers;
  stop(): void;
}

/** What an instance is started with, all but its run: looked up anew at each start. */
export type PreparedStart = Omit<SpawnRequest, "run" | "output" | "name" | "limits">;

/** What instances act through. */
export interface InstanceWorld {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** A new random token. */
  readonly newRun: () => string;
  readonly host: ProcessHost;
  readonly store: ServiceStore;
  /** Environment, folder, user. @throws FleetError naming what is missing */
  readonly prepare: (
    definition: ServiceDefinition,
    key: InstanceKey,
    notifySocket: string | null,
  ) => Promise<PreparedStart>;
  /** Where what a run writes is appended. */
  readonly spool: (key: InstanceKey, run: string) => string;
  /** Runs the stop command of a service to its end, or to `signal`; what it comes to is reported, not thrown. */
  readonly runStopCommand: (
    command: ServiceCommand,
    of: { readonly definition: ServiceDefinition; readonly key: InstanceKey; readonly mainPid: number },
    signal: AbortSignal,
  ) => Promise<void>;
  /** The socket of a run that says by itself that it is ready; null where its probes ask for none. */
  readonly openNotify: (definition: ServiceDefinition, run: string) => Promise<string | null>;
  /** The run is over: its socket goes. */
  readonly endNotify: (run: string) => void;
  readonly watchProbes: (watch: ProbeWatch) => RunningProbes;
  /** Whether everything that this service depends on is there. */
  readonly mayStart: (definition: ServiceDefinition) => boolean;
  /** Something about this instance is different: whoever depends on it, or shows it, looks again. */
  readonly onChanged: (instance: Instance) => void;
  readonly report: (instance: Instance, report: InstanceReport) => void;
  /** Something went wrong with the instance or service of this name that is not its own doing. */
  readonly onTrouble: (name: string, detail: string) => void;
}
