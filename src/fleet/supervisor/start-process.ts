import type { HostedProcess } from "../../base/ports/process-host.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { groupNameOf } from "./instance-facts.ts";
import type { InstanceEvent } from "./instance-model.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import type { PendingStart } from "./pending-start.ts";
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

/** The same for a start that somebody may give up, and that is over when this resolves. Never rejects. */
export async function tryStart(
  world: InstanceWorld,
  what: RunToStart,
  start: PendingStart,
): Promise<Result<HostedProcess, Extract<InstanceEvent, { kind: "given-up" | "spawn-failed" }>>> {
  try {
    return ok(await startProcess(world, what, start.signal));
  } catch (thrown) {
    world.endNotify(what.run.run);
    const detail = start.describe(thrown);
    return fail(detail === null ? { kind: "given-up" } : { kind: "spawn-failed", detail });
  } finally {
    start.end();
  }
}
