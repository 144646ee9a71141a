import { messageOf } from "../../base/errors.ts";
import { startOrder } from "./dependency-order.ts";
import type { Instance } from "./instance.ts";
import type { ServiceStore } from "./service-store.ts";
import { troubleOf } from "./service-view.ts";

/** What a replacement acts through. */
export interface ReplacePorts {
  readonly store: Pick<ServiceStore, "want" | "noteUnwanted" | "succeed">;
  readonly addSuccessor: () => Instance;
  readonly remove: (instance: Instance) => void;
  readonly until: (isTrue: () => boolean) => Promise<void>;
  /** From now on it is the new one that stays. */
  readonly giveUp: () => void;
}

/**
 * Puts a new run in the place of one that is ready, without a gap: the new one is started beside it, and the old one
 * is stopped when the new one is ready. One that fails goes, and the old one stays. Resolves to what went wrong, or null.
 *
 * At each step the notes say which of the two is to stay: the old one as long as it is wanted, then the new one.
 */
export async function replaceInstance(old: Instance, ports: ReplacePorts): Promise<string | null> {
  const { store, until, remove, giveUp } = ports;
  const successor = ports.addSuccessor();
  try {
    store.want([successor.key], true);
  } catch (thrown) {
    remove(successor);
    throw thrown;
  }
  successor.apply({ kind: "start" });
  await until(() => successor.isReady || hasFailed(successor) || !old.state.wanted);
  const isStopped = !old.state.wanted;
  const detail = isStopped ? STOPPED : successor.isReady ? unwanted(old, store) : troubleOf(successor);
  if (detail !== null) {
    store.noteUnwanted(successor.key);
    successor.apply({ kind: "stop" });
    await until(() => successor.state.phase.kind === "stopped");
    remove(successor);
    return detail;
  }
  giveUp();
  old.apply({ kind: "stop" });
  await until(() => old.state.phase.kind === "stopped");
  remove(old);
  store.succeed(successor.key);
  successor.succeed();
  return null;
}

/** From now on it is the old one that goes: null, or why it stays. */
function unwanted(old: Instance, store: ReplacePorts["store"]): string | null {
  try {
    store.want([old.key], false);
    return null;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

const STOPPED = "it was stopped meanwhile";

/** Waits until one that is started anew in the ordinary way is ready, or has failed. Resolves to what went wrong, or null. */
export async function untilSettled(instance: Instance, until: ReplacePorts["until"]): Promise<string | null> {
  const isOver = (): boolean => {
    const { kind } = instance.state.phase;
    return kind === "waiting" || kind === "stopped" || kind === "blocked";
  };
  await until(() => instance.isReady || isOver());
  return instance.isReady ? null : troubleOf(instance);
}

/** The same of several, where some wait for others. */
export async function untilSettledInOrder(
  instances: readonly Instance[],
  until: ReplacePorts["until"],
): Promise<void> {
  for (const step of startOrder(instances.map(({ definition }) => definition))) {
    const together = instances.filter(({ key }) => step.includes(key.service));
    await Promise.all(together.map((one) => untilSettled(one, until)));
  }
}

const hasFailed = ({ state }: Instance): boolean =>
  ["blocked", "ending", "stopped", "waiting"].includes(state.phase.kind);
