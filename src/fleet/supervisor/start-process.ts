import type { HostedProcess } from "../../base/ports/process-host.ts";
import { groupNameOf } from "./instance-facts.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import type { InstanceKey, NewRun } from "./service-store.ts";

/** Which run of what is to begin. */
export interface RunToStart {
  readonly key: InstanceKey;
  readonly definition: ServiceDefinition;
  readonly run: NewRun;
}

/** Starts the process of a run, which is noted before; `signal` gives it up. @throws FleetError */
export async function startProcess(
  { store, host, spool, openNotify, prepare }: InstanceWorld,
  { key, definition, run }: RunToStart,
  signal: AbortSignal,
): Promise<HostedProcess> {
  const prepared = await prepare(definition, key, await openNotify(definition, run.run));
  signal.throwIfAborted();
  store.noteRun(key, run, definition.stop);
  const request = {
    ...prepared,
    run: run.run,
    output: spool(key, run.run),
    name: groupNameOf(key, run.run),
    limits: definition.limits,
  };
  return await host.spawn(request, signal);
}
