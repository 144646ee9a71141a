/**
 * Containers as processes that are supervised. A container is known by its id, which stands where a process has its control
 * group, and by the token of its run, which is a label of it: so one that was made and not noted is found again, and none
 * is started twice. It outlives this process by itself, and the engine keeps what it writes.
 */
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import type {
  ContainerRequest,
  HostedProcess,
  ProcessIdentity,
  ProcessTree,
  SpawnRequest,
} from "../../base/ports/process-host.ts";
import { startOfProcess } from "../process-identity.ts";
import { containerBody } from "./container-body.ts";
import { type Engine, isMissing } from "./engine.ts";
import { ensureImage } from "./ensure-image.ts";
import { forgetPlace } from "./follow-log.ts";
import { FollowedContainer, type Inspected, inspect } from "./followed-container.ts";

const MARK = "container:";
const RUN_LABEL = "fleetd.run";
const HOME_LABEL = "fleetd.home";

/** How long an engine may take to tell what is there. Chosen, not measured. */
const LIST_MS = 5_000;
/** How long removing one may take; what is left then is tried again. Chosen, not measured. */
const REMOVE_MS = 10_000;

/** Whether a tree is a container. */
export const isContainer = ({ cgroup }: ProcessTree): boolean => cgroup?.startsWith(MARK) === true;

/** What a host is made of. */
export interface ContainerHostOptions {
  readonly engine: Engine;
  /** Whose containers these are: another fleetd on this machine has others. */
  readonly home: string;
  /** Where the output of a run is appended. */
  readonly spoolOf: (run: string) => string | null;
}

/** See the head of this file. */
export class ContainerHost {
  readonly #options: ContainerHostOptions;
  /** Those of an earlier daemon, by run; null: the engine did not answer. */
  #found: Map<string, Inspected> | null = null;
  readonly #followed = new Map<string, FollowedContainer>();
  /** Ids that are to go. */
  readonly #leftovers = new Set<string>();
  #isSweeping = false;

  constructor(options: ContainerHostOptions) {
    this.#options = options;
  }

  /** Looks for what an earlier daemon left; without an engine there is nothing to be found. */
  async look(): Promise<void> {
    const { engine, home } = this.#options;
    try {
      const found = await engine.ask<{ Id: string }[]>({
        method: "GET",
        path: "/containers/json",
        query: { all: "1", filters: JSON.stringify({ label: [`${HOME_LABEL}=${home}`] }) },
        signal: AbortSignal.timeout(LIST_MS),
      });
      const inspected = await Promise.all(found.map(({ Id }) => inspect(engine, Id)));
      this.#found = new Map(
        inspected
          .filter((one) => one !== null)
          .map((one) => [one.Config.Labels?.[RUN_LABEL] ?? one.Id, one] as const),
      );
      // What was made and never started, or has ended and is asked about by nobody.
      for (const { Id, State } of this.#found.values()) if (!State.Running) this.#leftovers.add(Id);
    } catch {
      // Most machines have no engine; who has containers is told at the next start of one.
      this.#found = null;
    }
  }

  async spawn(
    request: SpawnRequest,
    container: ContainerRequest,
    giveUp?: AbortSignal,
  ): Promise<HostedProcess> {
    const { engine, home } = this.#options;
    const labels = { [RUN_LABEL]: request.run, [HOME_LABEL]: home, "fleetd.service": request.name };
    const name = `fleetd-${request.name}`;
    await ensureImage(engine, container, giveUp);
    let id: string | null = null;
    try {
      const made = await engine.ask<{ Id: string }>({
        method: "POST",
        path: "/containers/create",
        query: { name },
        body: containerBody(request, container, labels),
        giveUp,
      });
      id = made.Id;
      await engine.ask({ method: "POST", path: `/containers/${id}/start`, giveUp });
      const inspected = await inspect(engine, id);
      if (inspected === null) throw new FleetError("FAILED", "it was removed at once");
      giveUp?.throwIfAborted();
      return this.#follow(toTree(inspected, request.run), request.output, inspected);
    } catch (thrown) {
      // An engine that was not heard to the end may have made it all the same; its name is of this start alone.
      if (id !== null || giveUp?.aborted === true) await this.#remove(id ?? name);
      throw causedBy(
        "CONFIG",
        `Cannot start a container of "${container.image}": ${messageOf(thrown)}`,
        thrown,
      );
    }
  }

  adopt(tree: ProcessTree): HostedProcess | null {
    const spool = this.#options.spoolOf(tree.run);
    const inspected = this.#found?.get(tree.run) ?? null;
    if (spool === null || (this.#found !== null && inspected === null)) return null;
    this.#leftovers.delete(idOf(tree));
    return this.#follow(tree, spool, inspected);
  }

  /** One that runs; what was made and never started is none. */
  findRun(run: string): ProcessTree | null {
    const inspected = this.#found?.get(run);
    return inspected?.State.Running === true ? toTree(inspected, run) : null;
  }

  members({ run, identity }: ProcessTree): readonly ProcessIdentity[] {
    return this.#followed.get(run)?.isRunning === true ? [identity] : [];
  }

  signal(tree: ProcessTree, signal: string): boolean {
    const followed = this.#followed.get(tree.run);
    if (followed?.isRunning !== true) return false;
    void this.#send(followed.run.id, signal);
    return true;
  }

  async kill(tree: ProcessTree, withinMs: number): Promise<readonly ProcessIdentity[]> {
    const followed = this.#followed.get(tree.run);
    if (followed === undefined) {
      // Of a service that nobody defines any more.
      await this.#remove(idOf(tree));
      return [];
    }
    if (!followed.isRunning) return [];
    await this.#send(followed.run.id, "SIGKILL");
    await Promise.race([followed.exited, Bun.sleep(withinMs)]);
    return followed.isRunning ? [tree.identity] : [];
  }

  ranOutOfMemory({ run }: ProcessTree): boolean | null {
    return this.#followed.get(run)?.isOutOfMemory ?? null;
  }

  forget(tree: ProcessTree): void {
    const followed = this.#followed.get(tree.run);
    this.#followed.delete(tree.run);
    followed?.letGo();
    if (followed !== undefined) forgetPlace(followed.run.spool);
    this.#leftovers.add(idOf(tree));
    this.reap();
  }

  /** Removes what is over. */
  reap(): void {
    if (this.#isSweeping || this.#leftovers.size === 0) return;
    this.#isSweeping = true;
    void Promise.all([...this.#leftovers].map((id) => this.#remove(id))).finally(() => {
      this.#isSweeping = false;
    });
  }

  close(): void {
    for (const followed of this.#followed.values()) followed.letGo();
  }

  #follow(tree: ProcessTree, spool: string, inspected: Inspected | null): HostedProcess {
    const followed = new FollowedContainer(this.#options.engine, { id: idOf(tree), tree, spool }, inspected);
    this.#followed.set(tree.run, followed);
    return followed.hosted;
  }

  async #send(id: string, signal: string): Promise<void> {
    try {
      await this.#options.engine.ask({ method: "POST", path: `/containers/${id}/kill`, query: { signal } });
    } catch {
      // It has ended, or the engine is away: whoever waits for the end is told by that, and kills again.
    }
  }

  async #remove(id: string): Promise<void> {
    try {
      await this.#options.engine.ask({
        method: "DELETE",
        path: `/containers/${id}`,
        query: { force: "1", v: "1" },
        signal: AbortSignal.timeout(REMOVE_MS),
      });
      this.#leftovers.delete(id);
    } catch (thrown) {
      if (isMissing(thrown)) this.#leftovers.delete(id);
      else this.#leftovers.add(id);
    }
  }
}

const toTree = ({ Id, State }: Inspected, run: string): ProcessTree => ({
  identity: { pid: State.Pid, start: startOfProcess(State.Pid) ?? Id },
  run,
  cgroup: `${MARK}${Id}`,
});

const idOf = ({ cgroup }: ProcessTree): string => cgroup?.slice(MARK.length) ?? "";
