import type { HostedProcess } from "../../base/ports/process-host.ts";
import type { InstanceWorld, ProbeWatch, RunningProbes } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";

/** A run that is followed; `health`: what the host itself hears of it, as of a container. */
export interface FollowedRun extends ProbeWatch {
  readonly health: HostedProcess["health"];
}

/** Whether a start is over only when a probe says so. */
export const needsProbe = ({ probes }: ServiceDefinition): boolean =>
  probes.startup !== null || probes.readiness !== null;

/** Puts the probes of a run to work. Probes of its own say more than those of its image, which count without them. */
export function followRun(
  { watchProbes }: Pick<InstanceWorld, "watchProbes">,
  run: FollowedRun,
): RunningProbes {
  const { health, ...watch } = run;
  const probes = watchProbes(watch);
  const stopHealth = needsProbe(run.definition) ? undefined : health?.(run.onReady);
  return {
    line: (text) => probes.line(text),
    answers: () => probes.answers(),
    stop: () => {
      probes.stop();
      stopHealth?.();
    },
  };
}
