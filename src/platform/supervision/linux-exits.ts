/**
 * Tells how processes ended that are no children of this one. Their handles are looked at together by one call, a few times a
 * second, and only while there are any.
 */

import { statSync } from "node:fs";
import type { Exit, ProcessIdentity } from "../../base/ports/process-host.ts";
import { exitOfStatus } from "./exits.ts";
import type { LinuxCalls } from "./linux-calls.ts";
import { isDead, type LinuxProcess, readProcess, startText } from "./linux-processes.ts";

/** How often it is looked. Chosen: an exit is noticed within a quarter of a second, and 200 handles cost some 30 µs. */
const LOOK_MS = 250;

/** How long a zombie that this process may not look into is waited for, in looks: its parent may tell with its end. */
const HIDDEN_LOOKS_MAX = 120;

interface Watched {
  readonly identity: ProcessIdentity;
  readonly handle: number | null;
  readonly ended: (exit: Exit) => void;
  hiddenLooks: number;
}

/** See the head of this file. `calls` null: without handles, /proc alone is looked at. */
export class LinuxExits {
  readonly #calls: LinuxCalls | null;
  readonly #watched = new Set<Watched>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(calls: LinuxCalls | null) {
    this.#calls = calls;
  }

  /** Follows a process; null when it is gone, or another one has its id. */
  follow(identity: ProcessIdentity): Promise<Exit> | null {
    const handle = this.#calls?.openProcess(identity.pid) ?? null;
    // The handle first: what has the right start now is what the handle is on.
    if (!isSame(readProcess(identity.pid), identity)) {
      if (handle !== null) this.#calls?.closeProcess(handle);
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#watched.add({ identity, handle, ended: resolve, hiddenLooks: 0 });
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
    return promise;
  }

  /** Looks at all that are followed, once. */
  look(): void {
    const all = [...this.#watched];
    const handles = all.flatMap(({ handle }) => (handle === null ? [] : [handle]));
    const answers = this.#calls?.endedOf(handles) ?? [];
    let at = 0;
    for (const watched of all) {
      if (watched.handle !== null && answers[at++] !== true) continue;
      const exit = this.#exitOf(watched);
      if (exit !== null) this.#finish(watched, exit);
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { handle } of this.#watched) if (handle !== null) this.#calls?.closeProcess(handle);
    this.#watched.clear();
  }

  /** Null: it has not ended, or is not told yet. */
  #exitOf(watched: Watched): Exit | null {
    const { identity, handle } = watched;
    const row = readProcess(identity.pid);
    if (isSame(row, identity)) {
      if (!isDead(row)) return null;
      // A child of this process: one that it started before it became this program (an upgrade in place).
      if (row.parent === process.pid) this.#calls?.collect(identity.pid);
      if (row.exitStatus !== 0 || mayLookInto(identity.pid)) return exitOfStatus(row.exitStatus);
      watched.hiddenLooks += 1;
      return watched.hiddenLooks < HIDDEN_LOOKS_MAX ? null : { kind: "unknown" };
    }
    const status = handle === null ? null : (this.#calls?.statusOfCollected(handle) ?? null);
    return status === null ? { kind: "unknown" } : exitOfStatus(status);
  }

  #finish(watched: Watched, exit: Exit): void {
    this.#watched.delete(watched);
    if (watched.handle !== null) this.#calls?.closeProcess(watched.handle);
    if (this.#watched.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    watched.ended(exit);
  }
}

/** Whether this is the process that is meant, dead or alive. */
export const isSame = (row: LinuxProcess | null, identity: ProcessIdentity): row is LinuxProcess =>
  row !== null && startText(row.startTicks) === identity.start;

/** Whether the kernel shows the status of a zombie to this process; to others it shows 0. */
function mayLookInto(pid: number): boolean {
  const me = process.geteuid?.();
  return me === 0 || statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === me;
}
