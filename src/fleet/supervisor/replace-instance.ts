import type { Instance } from "./instance.ts";
import type { ServiceStore } from "./service-store.ts";
import { troubleOf } from "./service-view.ts";

/** What a replacement acts through. */
export interface ReplacePorts {
  readonly store: ServiceStore;
  readonly addSuccessor: () => Instance;
  readonly remove: (instance: Instance) => void;
  readonly until: (isTrue: () => boolean) => Promise<void>;
}

/**
 * Puts a new run in the place of one that is ready, without a gap: the new one is started beside it, and the old one
 * is stopped when the new one is ready. One that fails goes, and the old one stays. Resolves to what went wrong, or null.
 *
 * At each step the notes say which of the two is to stay: the old one as long as it is wanted, then the new one.
 */
export async function replaceInstance(old: Instance, ports: ReplacePorts): Promise<string | null> {
  const { store, until, remove } = ports;
  const successor = ports.addSuccessor();
  store.want([successor.key], true);
  successor.apply({ kind: "start" });
  const hasFailed = (): boolean => {
    const { kind } = successor.state.phase;
    return kind === "waiting" || kind === "stopped" || kind === "ending";
  };
  await until(() => successor.isReady || hasFailed() || !old.state.wanted);
  if (!successor.isReady || !old.state.wanted) {
    const detail = old.state.wanted ? troubleOf(successor) : "it was stopped meanwhile";
    store.want([successor.key], false);
    successor.apply({ kind: "stop" });
    await until(() => successor.state.phase.kind === "stopped");
    remove(successor);
    return detail;
  }
  store.want([old.key], false);
  old.apply({ kind: "stop" });
  await until(() => old.state.phase.kind === "stopped");
  remove(old);
  store.succeed(successor.key);
  successor.succeed();
  return null;
}
