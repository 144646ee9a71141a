/**
 * One instance of a service, carried out: it feeds what happens into `decide-instance.ts` and does what that says, in
 * order. Everything that takes time answers with an event; an answer that belongs to a run before the present one is
 * dropped, so a late one undoes nothing.
 */
import { FleetError } from "../../base/errors.ts";
import type { HostedProcess, ProcessTree } from "../../base/ports/process-host.ts";
import { Timer } from "../../base/timer.ts";
import { decideInstance } from "./decide-instance.ts";
import { endLate, endRun } from "./end-run.ts";
import { type FollowedProbes, followRun, isAskedBy, needsProbe, saysWhenReady } from "./follow-run.ts";
import { factsOf } from "./instance-facts.ts";
import {
  type CurrentRun,
  type InstanceDeed,
  type InstanceEvent,
  type InstanceState,
  NEW_INSTANCE,
} from "./instance-model.ts";
import { InstanceRecord } from "./instance-record.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { Probes, ServiceDefinition } from "./model.ts";
import { noteStep } from "./note-step.ts";
import { PendingStart } from "./pending-start.ts";
import type { ProbeAnswers } from "./service-detail.ts";
import type { InstanceKey, NotedInstance, NotedRun, RunProgress } from "./service-store.ts";
import { nameOf } from "./service-view.ts";
import { tryStart } from "./start-process.ts";

/** See the head of this file. */
export class Instance {
  /** When it did what. */
  readonly record = new InstanceRecord();
  readonly #world: InstanceWorld;
  #key: InstanceKey;
  #definition: ServiceDefinition;
  #digest: string;
  #state: InstanceState = NEW_INSTANCE;
  #run: CurrentRun | null = null;
  #probes: FollowedProbes | null = null;
  #health: HostedProcess["health"];
  readonly #timer: Timer;
  #start: PendingStart | null = null;
  /** Ends the gentle part of a stop at once. */
  #hurry: AbortController | null = null;
  /** Aborted when somebody else looks after the process, or nobody. */
  readonly #letGo = new AbortController();

  constructor(key: InstanceKey, definition: ServiceDefinition, digest: string, world: InstanceWorld) {
    this.#key = key;
    this.#definition = definition;
    this.#digest = digest;
    this.#world = world;
    this.#timer = new Timer(world.clock);
  }

  get key(): InstanceKey {
    return this.#key;
  }

  get definition(): ServiceDefinition {
    return this.#definition;
  }

  get state(): InstanceState {
    return this.#state;
  }

  /** The run under way, or the last one while what is left of it is ended. */
  get run(): CurrentRun | null {
    return this.#run;
  }

  /** What is asked: of the run under way, which may go on with the probes of an earlier definition. */
  get probes(): Probes {
    return this.#probes?.asks ?? this.#definition.probes;
  }

  /** What the probes of the run under way said last. */
  get probeAnswers(): ProbeAnswers {
    return this.#probes?.answers() ?? {};
  }

  /** The processes of the run under way; null where none runs. */
  get tree(): ProcessTree | null {
    const { phase } = this.#state;
    return phase.kind === "running" || phase.kind === "ending" ? phase.tree : null;
  }

  get isReady(): boolean {
    return this.#state.phase.kind === "running" && this.#state.phase.ready;
  }

  /** Whether its run was started with another definition than the one that holds now. */
  get isOutdated(): boolean {
    return this.tree !== null && this.#run !== null && this.#run.digest !== this.#digest;
  }

  /**
   * Takes another definition. A run under way keeps its own; where that differs in its probes alone, they begin anew.
   * A pause ends: what failed was another definition, and this one may be its cure.
   */
  redefine(definition: ServiceDefinition, digest: string): void {
    const isOther = JSON.stringify(definition) !== JSON.stringify(this.#definition);
    const started = this.#run?.digest;
    // Of what was adopted nobody knows what it was started with.
    const keepsProcess = digest === (started === "" ? this.#digest : started);
    this.#definition = definition;
    this.#digest = digest;
    const [{ phase }, probes] = [this.#state, this.#probes];
    if (phase.kind === "waiting" && isOther && !this.#key.successor) this.apply({ kind: "start" });
    if (phase.kind !== "running" || probes === null || !keepsProcess || isAskedBy(probes, definition)) return;
    // Where nobody is left who could say that it is ready, it is.
    const isAsked = saysWhenReady(this.#definition, this.#health);
    this.#follow(phase.tree, isAsked ? probes.progress : "ready");
    if (!isAsked) this.apply({ kind: "ready", ready: true });
  }

  /** A successor takes the place of the one it was started to follow. */
  succeed(): void {
    this.#key = { ...this.#key, successor: false };
  }

  /** Takes up what was noted of it before: it looks for its run, and does not start it. */
  takeUp(noted: NotedInstance): void {
    const { wanted, history, restarts, lastEnd, run } = noted;
    this.#state = { ...NEW_INSTANCE, wanted, history, restarts, lastEnd };
    this.record.noteGone(noted.endedWallMs);
    this.record.noteEnd(lastEnd);
    if (run !== null) this.#takeRun(run);
  }

  /** Takes a process that somebody else started. @throws FleetError BAD_INPUT when it is gone */
  adopt(tree: ProcessTree): void {
    const { host, store, clock } = this.#world;
    const hosted = host.adopt(tree);
    if (hosted === null) {
      throw new FleetError("BAD_INPUT", `Cannot adopt process ${tree.identity.pid}: it is gone`);
    }
    // It was started with who knows what.
    const run = { run: tree.run, digest: "", startedWallMs: clock.wallMs() };
    store.noteRun(this.#key, run, this.#definition.stop);
    this.#run = run;
    store.noteProcess(this.#key, tree);
    this.#timer.stop();
    this.#state = { ...NEW_INSTANCE, wanted: true };
    this.#expectExit(hosted);
    const progress = needsProbe(this.#definition) ? "begun" : "ready";
    this.apply({ kind: "adopted", tree, progress, ending: null });
  }

  /** What happened to it, or is wanted of it. */
  apply(event: InstanceEvent): void {
    if (this.#letGo.signal.aborted) return;
    const { clock, store } = this.#world;
    const step = decideInstance(this.#state, event, factsOf(this.#definition, this.#world));
    const before = this.#state;
    this.#state = step.state;
    const taken = { before, after: this.#state };
    this.record.note(event, taken, clock.wallMs());
    noteStep(store, this.#key, { ...taken, endedWallMs: this.record.endedWallMs ?? clock.wallMs() });
    for (const deed of step.deeds) this.#do(deed);
    if (before !== step.state) this.#world.onChanged(this);
  }

  /** The stop that is under way, if there is one, becomes a kill. */
  hurry(): void {
    this.#hurry?.abort();
  }

  /** A line that its process wrote. */
  line(text: string): void {
    (this.#probes ?? this.#start)?.line(text);
  }

  /** Lets go of everything without touching the process: the daemon ends, the service does not. */
  detach(): void {
    this.#letGo.abort();
    this.#timer.stop();
    this.#start?.giveUp();
    // A stop under way is not hurried: that would be a kill, and the next daemon stops it with the time it has.
    this.#probes?.stop();
    this.#probes = null;
  }

  #do(deed: InstanceDeed): void {
    switch (deed.kind) {
      case "spawn":
        void this.#spawn();
        return;
      case "give-up":
        this.#start?.giveUp();
        return;
      case "follow":
        this.#follow(deed.tree, deed.progress);
        return;
      case "end":
        void this.#end(deed.tree, deed.gently);
        return;
      case "timer":
        this.#timer.set(deed.afterMs, () => this.apply({ kind: "timer" }));
        return;
      case "report":
        this.#world.report(this, deed.report);
    }
  }

  async #spawn(): Promise<void> {
    const { store, newRun, clock } = this.#world;
    const definition = this.#definition;
    const run = { run: newRun(), digest: this.#digest, startedWallMs: clock.wallMs() };
    const start = new PendingStart(clock, definition.startTimeoutMs);
    this.#run = run;
    this.#start = start;
    const started = await tryStart(this.#world, { key: this.#key, definition, run }, start);
    if (!started.ok) {
      this.record.noteGone(clock.wallMs());
      this.apply(started.error);
      return;
    }
    const hosted = started.value;
    // The next daemon finds it by its run.
    if (this.#letGo.signal.aborted) return;
    if (this.#start !== start || this.#state.phase.kind !== "spawning") {
      await endLate(this.#world, { name: nameOf(this), tree: hosted.tree }, this.#letGo.signal);
      return;
    }
    store.noteProcess(this.#key, hosted.tree);
    this.#expectExit(hosted);
    this.apply({
      kind: "spawned",
      tree: hosted.tree,
      needsProbe: saysWhenReady(definition, hosted.health),
    });
  }

  #takeRun(noted: NotedRun): void {
    const { host, store, clock } = this.#world;
    this.#run = noted;
    const tree = noted.tree ?? host.findRun(noted.run);
    if (tree === null) {
      // Killed before it had started anything.
      this.#run = null;
      store.noteEnd(this.#key, { ...this.#state, endedWallMs: clock.wallMs() });
      if (this.#state.wanted) this.apply({ kind: "start" });
      return;
    }
    if (noted.tree === null) store.noteProcess(this.#key, tree);
    const hosted = host.adopt(tree);
    if (hosted === null) {
      this.apply({ kind: "lost", tree, ending: noted.ending });
      return;
    }
    this.#expectExit(hosted);
    const progress = saysWhenReady(this.#definition, hosted.health) ? noted.progress : "ready";
    this.apply({ kind: "adopted", tree: hosted.tree, progress, ending: noted.ending });
  }

  #expectExit({ tree, exited, health }: HostedProcess): void {
    this.#health = health;
    void exited.then((exit) => {
      if (this.tree?.run !== tree.run) return;
      const isOom = this.#world.host.ranOutOfMemory(tree) === true;
      this.apply({ kind: "exited", why: isOom ? { kind: "oom" } : exit });
    });
  }

  #follow(tree: ProcessTree, progress: RunProgress): void {
    this.#probes?.stop();
    const ifPresent = (deed: () => void): void => {
      if (this.tree?.run === tree.run) deed();
    };
    this.#probes = followRun(this.#world, {
      key: this.#key,
      definition: this.#definition,
      tree,
      progress,
      health: this.#health,
      onStarted: () => ifPresent(() => this.#world.store.noteProgress(this.#key, "started")),
      onReady: (ready) => ifPresent(() => this.apply({ kind: "ready", ready })),
      onUnwell: (why) => ifPresent(() => this.apply({ kind: "unwell", why })),
    });
    for (const text of this.#start?.takeLines() ?? []) this.#probes.line(text);
  }

  async #end(tree: ProcessTree, gently: boolean): Promise<void> {
    this.#probes?.stop();
    this.#probes = null;
    this.#timer.stop();
    const hurry = new AbortController();
    this.#hurry = hurry;
    const run = { name: nameOf(this), tree, key: this.#key, definition: this.#definition };
    const letGo = this.#letGo.signal;
    await endRun(this.#world, run, gently, { hurry: hurry.signal, letGo });
    if (letGo.aborted) return;
    this.#hurry = null;
    this.record.noteGone(this.#world.clock.wallMs());
    this.apply({ kind: "emptied" });
  }
}
