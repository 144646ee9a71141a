/** One container that is followed to its end: what it writes, how it is, and how it ended. */
import type { Exit, HostedProcess, ProcessTree } from "../../base/ports/process-host.ts";
import { type Engine, isMissing } from "./engine.ts";
import { followLog } from "./follow-log.ts";

/** How often what cannot be waited for is asked: an engine that is away, the health of a container. Chosen, not measured. */
const LOOK_MS = 1_000;
/** How long the log may take to come to its end when the container has. */
const LOG_END_MS = 5_000;

/** What an engine says of a container. */
export interface Inspected {
  readonly Id: string;
  readonly State: {
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
}

/** Which container it is. `spool`: where what it writes is appended. */
export interface ContainerRun {
  readonly id: string;
  readonly tree: ProcessTree;
  readonly spool: string;
}

/** What is known of the container with this id; null when there is none. @throws what the engine says */
export async function inspect(engine: Engine, id: string): Promise<Inspected | null> {
  try {
    return await engine.ask<Inspected>({ method: "GET", path: `/containers/${id}/json` });
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}

/** See the head of this file. */
export class FollowedContainer {
  readonly run: ContainerRun;
  readonly #engine: Engine;
  readonly #exit = Promise.withResolvers<Exit>();
  /** Ends the following, not the container. */
  readonly #letGo = new AbortController();
  #isRunning = true;
  #isOutOfMemory = false;
  #isReady: boolean | null;
  readonly #onHealth = new Set<(ready: boolean) => void>();

  /** `inspected` null: the engine did not answer. */
  constructor(engine: Engine, run: ContainerRun, inspected: Inspected | null) {
    this.#engine = engine;
    this.run = run;
    const health = inspected?.State.Health;
    this.#isReady = health === undefined ? null : health.Status === "healthy";
    void this.#awaitEnd(this.#keepLog());
    if (this.#isReady !== null) void this.#watchHealth();
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get isOutOfMemory(): boolean {
    return this.#isOutOfMemory;
  }

  /** Resolves when it is over. */
  get exited(): Promise<Exit> {
    return this.#exit.promise;
  }

  /** As whoever supervises knows it. */
  get hosted(): HostedProcess {
    const hosted = { tree: this.run.tree, exited: this.exited };
    if (this.#isReady === null) return hosted;
    return {
      ...hosted,
      health: (onReady) => {
        this.#onHealth.add(onReady);
        if (this.#isReady !== null) onReady(this.#isReady);
        return () => this.#onHealth.delete(onReady);
      },
    };
  }

  letGo(): void {
    this.#letGo.abort();
  }

  /** Reads the log until it ends with the container; an engine that goes away comes back. */
  async #keepLog(): Promise<void> {
    const { id, spool } = this.run;
    const { signal } = this.#letGo;
    while (!signal.aborted) {
      try {
        await followLog(this.#engine, id, spool, signal);
        if ((await inspect(this.#engine, id))?.State.Running !== true) return;
      } catch (thrown) {
        if (signal.aborted || isMissing(thrown)) return;
      }
      await Bun.sleep(LOOK_MS);
    }
  }

  async #awaitEnd(log: Promise<void>): Promise<void> {
    const { id } = this.run;
    const { signal } = this.#letGo;
    while (!signal.aborted) {
      try {
        await this.#engine.ask({ method: "POST", path: `/containers/${id}/wait`, signal });
        const inspected = await inspect(this.#engine, id);
        if (inspected?.State.Running === true) continue;
        // What it wrote last belongs to the run that is over now.
        await Promise.race([log, Bun.sleep(LOG_END_MS)]);
        this.#isRunning = false;
        this.#isOutOfMemory = inspected?.State.OOMKilled === true;
        this.#exit.resolve(
          inspected === null ? { kind: "unknown" } : { kind: "code", code: inspected.State.ExitCode },
        );
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        if (isMissing(thrown)) {
          this.#isRunning = false;
          this.#exit.resolve({ kind: "unknown" });
          return;
        }
        await Bun.sleep(LOOK_MS);
      }
    }
  }

  async #watchHealth(): Promise<void> {
    while (this.#isRunning && !this.#letGo.signal.aborted) {
      await Bun.sleep(LOOK_MS);
      const inspected = await inspect(this.#engine, this.run.id).catch(() => null);
      const status = inspected?.State.Health?.Status;
      // An engine that does not answer says nothing about the container.
      if (status === undefined) continue;
      const isReady = status === "healthy" || (status === "starting" && this.#isReady === true);
      if (isReady === this.#isReady) continue;
      this.#isReady = isReady;
      for (const tell of this.#onHealth) tell(isReady);
    }
  }
}
