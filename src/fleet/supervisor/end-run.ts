/** The end of a run: everything of its tree, and the socket on which it told of itself. */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import { type EmptyPlan, emptyTree } from "./empty-tree.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import type { InstanceKey } from "./service-store.ts";

/** Which run of what is to end. `name`: of the instance, for people. */
export interface RunToEnd {
  readonly name: string;
  readonly tree: ProcessTree;
}

/** What ends the waiting (`hurry`), and what ends it all where it stands (`letGo`). */
export interface EndSignals {
  readonly hurry: AbortSignal;
  readonly letGo: AbortSignal;
}

/** Ends it as its definition says; not `gently`: without the stop command. Resolves when nothing is left, or `letGo`. */
export async function endRun(
  world: InstanceWorld,
  { name, tree, key, definition }: RunToEnd & { key: InstanceKey; definition: ServiceDefinition },
  gently: boolean,
  signals: EndSignals,
): Promise<void> {
  const { command, signal, to, timeoutMs } = definition.stop;
  const of = { definition, key, mainPid: tree.identity.pid };
  const plan: EmptyPlan = {
    signal,
    to: gently ? to : "group",
    timeoutMs,
    before: gently && command !== null ? (over) => world.runStopCommand(command, of, over) : null,
  };
  await ended(world, { name, tree }, plan, signals);
}

/** Ends one that nobody waits for any more: what it was started for is not, or is another one by now. */
export async function endLate(world: InstanceWorld, run: RunToEnd, letGo: AbortSignal): Promise<void> {
  const atOnce: EmptyPlan = { signal: "SIGKILL", to: "group", timeoutMs: 0, before: null };
  await ended(world, run, atOnce, { hurry: AbortSignal.abort(), letGo });
}

async function ended(
  { host, clock, endNotify, onTrouble }: InstanceWorld,
  { name, tree }: RunToEnd,
  plan: EmptyPlan,
  { hurry, letGo }: EndSignals,
): Promise<void> {
  const ports = { host, clock, onTrouble: (detail: string) => onTrouble(name, detail), letGo };
  await emptyTree(ports, tree, plan, hurry);
  endNotify(tree.run);
}
