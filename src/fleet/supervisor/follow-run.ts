import type { HostedProcess } from "../../base/ports/process-host.ts";
import type { InstanceWorld, ProbeWatch, RunningProbes } from "./instance-world.ts";
import type { Probes, ServiceDefinition } from "./model.ts";
import type { RunProgress } from "./service-store.ts";

/** A run that is followed; `health`: what the host itself hears of it, as of a container. */
export interface FollowedRun extends ProbeWatch {
  readonly health: HostedProcess["health"];
}

/** Probes at work, what they ask, and how far the run has come. */
export interface FollowedProbes extends RunningProbes {
  readonly asks: Probes;
  readonly progress: RunProgress;
}

/** Whether these are the probes of a definition. */
export const isAskedBy = ({ asks }: Pick<FollowedProbes, "asks">, definition: ServiceDefinition): boolean =>
  JSON.stringify(asks) === JSON.stringify(definition.probes);

/** Whether a start is over only when a probe says so. */
export const needsProbe = ({ probes }: ServiceDefinition): boolean =>
  probes.startup !== null || probes.readiness !== null;

/** Whether somebody says when a run is ready: a probe, or the host. */
export const saysWhenReady = (definition: ServiceDefinition, health: HostedProcess["health"]): boolean =>
  needsProbe(definition) || health !== undefined;

/** Puts the probes of a run to work. Probes of its own say more than those of its image, which count without them. */
export function followRun(
  { watchProbes }: Pick<InstanceWorld, "watchProbes">,
  run: FollowedRun,
): FollowedProbes {
  const { health, ...watch } = run;
  let { progress } = run;
  const onReady = (ready: boolean): void => {
    progress = ready ? "ready" : "unready";
    run.onReady(ready);
  };
  const onStarted = (): void => {
    progress = "started";
    run.onStarted();
  };
  const probes = watchProbes({ ...watch, onStarted, onReady });
  const stopHealth = needsProbe(run.definition) ? undefined : health?.(onReady);
  return {
    asks: run.definition.probes,
    get progress() {
      return progress;
    },
    line: (text) => probes.line(text),
    answers: () => probes.answers(),
    stop: () => {
      probes.stop();
      stopHealth?.();
    },
  };
}
