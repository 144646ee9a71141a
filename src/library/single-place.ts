/** The one place that programs of a name have: who takes it hears of all that come after. */
import type { Lock } from "../base/ports/lock.ts";
import { boundSecondInstance, parseSecondInstance } from "../fleet/supervisor/second-instance.ts";
import { tryInstanceLock } from "../platform/instance-lock.ts";
import type { InstancePaths } from "../platform/instance-paths.ts";
import { type InstanceSocket, listenForInstances, tellInstance } from "../platform/instance-socket.ts";
import { ownCall } from "../platform/own-process.ts";
import type { SecondInstanceHandler } from "./process-manager-model.ts";

/** How long a second instance tries to reach the first, which may be starting, on a machine with much to do. Chosen. */
const HAND_OVER_WITHIN_MS = 5_000;

/** What a place acts through. `quit` ends who is not the first. */
export interface SinglePlaceWorld {
  readonly quit: () => void;
  readonly logError: (context: string, error: unknown) => void;
}

/** See the head of this file. */
export class SinglePlace {
  /** Called with what a later instance was called with. */
  onSecondInstance: SecondInstanceHandler | null = null;
  readonly #paths: InstancePaths;
  readonly #world: SinglePlaceWorld;
  #taken: Promise<boolean> | null = null;
  #lock: Lock | null = null;
  #socket: InstanceSocket | null = null;

  constructor(paths: InstancePaths, world: SinglePlaceWorld) {
    this.#paths = paths;
    this.#world = world;
  }

  /** Whether the place is this program's; asked once, answered to all. @throws FleetError IO | UNAVAILABLE */
  take(): Promise<boolean> {
    this.#taken ??= this.#take();
    return this.#taken;
  }

  leave(): void {
    this.#socket?.close();
    this.#lock?.release();
    this.#socket = null;
    this.#lock = null;
    this.#taken = null;
  }

  async #take(): Promise<boolean> {
    this.#lock = await tryInstanceLock(this.#paths.lock);
    if (this.#lock === null) {
      const line = JSON.stringify(boundSecondInstance(ownCall()));
      await tellInstance(this.#paths.socket, line, HAND_OVER_WITHIN_MS);
      // The caller is told first.
      setImmediate(this.#world.quit);
      return false;
    }
    try {
      this.#socket = await listenForInstances(this.#paths.socket, (line) => this.#heard(line));
    } catch (thrown) {
      // The lock is what counts.
      this.#world.logError("listening for other instances", thrown);
    }
    return true;
  }

  #heard(line: string): boolean {
    try {
      const parsed = parseSecondInstance(JSON.parse(line));
      if (!parsed.ok) throw new Error(parsed.error);
      const { argv, cwd, pid } = parsed.value;
      this.onSecondInstance?.(argv, cwd, pid);
      return true;
    } catch (thrown) {
      this.#world.logError("second instance", thrown);
      return false;
    }
  }
}
