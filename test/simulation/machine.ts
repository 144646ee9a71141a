/** One simulated machine: what is on its disks, its clock, its way to the remote, and the processes that it runs. */
import { causedBy, FleetError, messageOf, requireOk } from "../../src/base/errors.ts";
import type { Clock } from "../../src/base/ports/clock.ts";
import type { SigningKey } from "../../src/base/ports/cryptography.ts";
import type { Lock } from "../../src/base/ports/lock.ts";
import type { MonitorEvent } from "../../src/daemon/events.ts";
import { type FlushPlace, flushAt } from "../../src/daemon/flush-now.ts";
import { serverFacts } from "../../src/daemon/server-facts.ts";
import type { EntryDraft } from "../../src/fleet/messaging/build-batch.ts";
import { type Identity, loadIdentity } from "../../src/fleet/messaging/identity.ts";
import { joinFleet } from "../../src/fleet/messaging/join-fleet.ts";
import type { ReceivePorts, SendPorts } from "../../src/fleet/messaging/mailbox-ports.ts";
import { listInbox } from "../../src/fleet/messaging/mailbox-queries.ts";
import { markMessage } from "../../src/fleet/messaging/mark-message.ts";
import { enqueue } from "../../src/fleet/messaging/outbox.ts";
import { ownGroups } from "../../src/fleet/messaging/own-groups.ts";
import { draftMessage, type SendRequest } from "../../src/fleet/messaging/send-message.ts";
import type { ServerSettings } from "../../src/fleet/settings/model.ts";
import { Chance } from "./chance.ts";
import { type Files, givenFiles } from "./files.ts";
import type { MachinePlan } from "./happening.ts";
import { Life, LifeIsOver } from "./life.ts";
import type { Mutant } from "./mutants.ts";
import { simNetworkCheck, Way } from "./network.ts";
import { keyOfLife, simCryptography } from "./sim-cryptography.ts";
import { SimDaemon } from "./sim-daemon.ts";
import { SimHandlers } from "./sim-handlers.ts";
import { SimStore } from "./sim-store.ts";
import type { World } from "./world.ts";

/** When the first machine of a run was switched on: 2026-01-01T00:00:00Z by a clock that is right. */
const EPOCH_MS = 1_767_225_600_000;
/** A command pushes for so long before it answers that the message waits. */
const COMMAND_TIMEOUT_MS = 10_000;
/** Answers of the control socket leave before the push starts. */
const PUSH_AFTER_ANSWER_MS = 2;
/** So long after its answer a mutant writes down what it answered. */
const LATE_MS = 5_000;
const JOIN_AGAIN_MS = 10_000;
const NOBODY_STOPS = new AbortController().signal;

/** What became of an attempt to send. */
export type Told = "pushed" | "queued" | "nothing";

/** See the head of this file. */
export class Machine {
  readonly plan: MachinePlan;
  readonly files: Files;
  readonly store: SimStore;
  readonly way = new Way();
  readonly handlers: SimHandlers;
  readonly settings: ServerSettings;
  /** How far its wall clock is off, ms. */
  offsetMs: number;
  /** The power is on. */
  isOn = false;
  life: Life | null = null;
  daemon: SimDaemon | null = null;
  /** What its loops threw that nobody expected. */
  readonly surprises: string[] = [];
  readonly #world: World;
  readonly #key: SigningKey;
  readonly #chance: Chance;
  readonly #mutant: Mutant | null;
  #bootedMs = 0;
  #boots = 0;
  #flusher: Life | null = null;

  constructor(world: World, plan: MachinePlan, settings: ServerSettings) {
    const { seed } = world.plan;
    this.#world = world;
    this.plan = plan;
    this.settings = settings;
    this.offsetMs = plan.offsetMs;
    this.#chance = new Chance(seed, `machine/${plan.server}`);
    this.#key = world.signatures.createKey(this.#chance.bytes(32));
    this.files = givenFiles(world.machines.size);
    this.store = new SimStore();
    this.handlers = new SimHandlers(world.plan, plan.server);
    this.#mutant = plan.character === "honest" ? world.mutant : null;
    this.files.state.isForgetful = this.#mutant?.isForgetful === true;
    this.files.state.forgets = this.#mutant?.forgets ?? null;
    this.files.state.onAnswer = (peer) => world.checks.noteAnswer(plan.server, peer);
  }

  get server(): string {
    return this.plan.server;
  }

  get isHonest(): boolean {
    return this.plan.character === "honest";
  }

  /** Whether it has an id in the fleet. */
  get isMember(): boolean {
    return this.files.state.ask("SELECT 1 FROM settings WHERE key = 'identity'").length > 0;
  }

  get #monotonicMs(): number {
    return this.#world.timeline.nowMs - this.#bootedMs + 1_000;
  }

  /** Its wall clock. */
  get wallMs(): number {
    return EPOCH_MS + Math.floor(this.#world.timeline.nowMs) + this.offsetMs;
  }

  /** Starts the daemon. */
  start(): void {
    if (this.life !== null) return;
    if (!this.isOn) {
      this.isOn = true;
      this.#boots += 1;
      this.#bootedMs = this.#world.timeline.nowMs - this.#chance.integer(0, 60_000);
    }
    this.#world.note(this.server, "starts");
    const life = new Life(this.#world.timeline, () => {
      this.life = null;
      this.daemon = null;
    });
    this.life = life;
    this.#live(life).catch((thrown: unknown) => {
      if (thrown instanceof LifeIsOver || life.isOver) return;
      this.#surprise(`the daemon ended: ${messageOf(thrown)}`);
      life.end();
      this.#world.timeline.after(5_000, () => this.start());
    });
  }

  /** The daemon dies at its `calls`-th call; with `power`, the machine with it. Calls `onEnd` when it is dead. */
  crash(calls: number, power: boolean, onEnd: () => void): void {
    const { life } = this;
    if (life === null) {
      if (power && this.isOn) this.#cutPower();
      onEnd();
      return;
    }
    const watch = (): void => {
      if (!life.isOver) {
        this.#world.timeline.after(50, watch);
        return;
      }
      this.#world.note(this.server, power ? "loses its power" : "is killed");
      if (power) this.#cutPower();
      onEnd();
    };
    life.endAfter(calls, 30_000);
    watch();
  }

  /** From now on it is known what a power cut takes. */
  arm(): void {
    this.files.state.arm();
    this.files.index.arm();
    this.store.arm();
  }

  /** What a copy of its state directory holds. */
  backUp() {
    const { state, index } = this.files;
    return { state: state.dump(), index: index.dump(), store: this.store.copy() };
  }

  /** A copy that was made before is put in the place of what is there. */
  restore(backup: ReturnType<Machine["backUp"]>): void {
    this.files.state.restore(backup.state);
    this.files.index.restore(backup.index);
    this.store.replaceBy(backup.store);
    this.handlers.done.clear();
  }

  loseIndex(): void {
    this.files.index.restore();
  }

  /** The next look at the remote happens when it would have, now that there is something to see. */
  wakeLook(): void {
    const { life, daemon } = this;
    const waitMs = daemon?.untilNextLookMs(this.#monotonicMs) ?? null;
    if (life === null || daemon === null || waitMs === null) return;
    const { isFolder, watchMs } = this.#world.plan;
    const soonMs = isFolder ? watchMs : waitMs;
    this.#world.timeline.after(soonMs, () => life.reach(() => daemon.state.receiveBell.ring()));
  }

  /** Sends through the daemon where it runs, or by a command; what its sender is told. */
  send(
    request: SendRequest,
    how: { readonly via: "daemon" | "command"; readonly killedAfter: number | null },
  ) {
    const { life, daemon } = this;
    if (!this.isOn || !this.isMember) return null;
    if (how.via === "daemon" && life !== null && daemon !== null)
      return this.#sendByDaemon(request, life, daemon);
    return this.#sendByCommand(request, how.killedAfter);
  }

  /** Reads or acknowledges something that came. */
  mark(what: "read" | "acked"): void {
    const { life, daemon } = this;
    if (life === null || daemon === null) return;
    life.reach(() => {
      try {
        const ports = this.#receivePorts(life);
        const inbox = listInbox(ports.index, { unread: what === "read", limit: 5 });
        if (inbox.length === 0) return;
        const changed = markMessage(ports, this.#chance.pick(inbox), what);
        if (changed) daemon.state.wantReceipts(what === "acked" ? 0 : 30_000);
      } catch (thrown) {
        this.#tolerate(thrown);
      }
    });
  }

  /** Whether a message that was sent here is confirmed. */
  isPushed(id: string): boolean {
    const [row] = this.files.state.ask<{ state: string }>("SELECT state FROM outbox WHERE id = ?", id);
    return row?.state === "pushed";
  }

  async #live(life: Life): Promise<void> {
    const identity = loadIdentity(this.files.state.portOf(life)) ?? (await this.#join(life));
    const world = this.#world;
    const { way } = this;
    const { isFolder } = world.plan;
    const sendPorts = this.#sendPorts(life, identity);
    const isAnswering = this.isHonest && this.#mutant?.answers === undefined;
    this.daemon = new SimDaemon({
      sendPorts,
      receivePorts: this.#receivePorts(life, identity),
      check: simNetworkCheck(life, { way, chance: this.#chance, isFolder }),
      runner: this.handlers.portOf(life),
      settings: this.settings,
      takeFlushLock: () => this.#takeFlushLock(life),
      boot: () => ({ id: `boot-${this.#boots}`, ms: this.#monotonicMs }),
      report: (event) => this.#hear(life, event),
      worldVersion: () => world.versionFor(this),
      skipsIdle: world.skipsIdle,
      autoReplies: isAnswering,
    });
    await this.daemon.run();
  }

  async #join(life: Life): Promise<Identity> {
    const { identity: _, ...ports } = this.#sendPorts(life, NO_IDENTITY);
    for (;;) {
      try {
        const wanted = { server: this.server, remoteUrl: "git://host.example/remote.git" };
        const joined = await joinFleet(ports, wanted, { timeoutMs: 30_000, signal: NOBODY_STOPS });
        this.#world.note(this.server, joined.founded ? "founds the fleet" : "joins");
        return joined.identity;
      } catch (thrown) {
        if (!(thrown instanceof FleetError)) throw thrown;
        if (thrown.code !== "UNAVAILABLE" && thrown.code !== "IO")
          throw causedBy(thrown.code, thrown.message, thrown);
      }
      await ports.clock.sleep(JOIN_AGAIN_MS, NOBODY_STOPS);
    }
  }

  #sendPorts(life: Life, identity: Identity): SendPorts {
    const { signatures, network } = this.#world;
    const { store, way } = this;
    const from = { server: this.server, store, way, chance: this.#chance };
    const remote = network.connect(life, from);
    return {
      identity,
      state: this.files.state.portOf(life),
      store: store.portOf(life),
      remote: this.#mutant?.remote?.(remote, this.files.state) ?? remote,
      clock: this.#clockOf(life),
      cryptography: simCryptography(life, signatures, this.#chance),
      key: keyOfLife(life, this.#key),
    };
  }

  #receivePorts(life: Life, known?: Identity): ReceivePorts {
    const identity = known ?? loadIdentity(this.files.state.portOf(life)) ?? NO_IDENTITY;
    const { key: _, ...ports } = this.#sendPorts(life, identity);
    return {
      ...ports,
      index: this.files.index.portOf(life),
      get groups() {
        return ownGroups(ports.state);
      },
    };
  }

  #clockOf(life: Life): Clock {
    return {
      wallMs: () => this.wallMs,
      monotonicMs: () => this.#monotonicMs,
      sleep: (durationMs, signal) => life.sleep(durationMs, signal),
    };
  }

  #takeFlushLock(life: Life): Lock | null {
    if (this.#flusher !== null && !this.#flusher.isOver) return null;
    this.#flusher = life;
    return {
      release: () => {
        if (this.#flusher === life) this.#flusher = null;
      },
    };
  }

  #sendByDaemon(request: SendRequest, life: Life, daemon: SimDaemon): Promise<{ id: string; told: Told }> {
    return new Promise((resolve) => {
      life.reach(() => {
        try {
          const ports = this.#sendPorts(life, NO_IDENTITY);
          const draft = this.#draft(request, ports);
          const isEarly = this.#mutant?.answersBeforeItIsSafe === true;
          if (isEarly) resolve({ id: draft.id, told: "queued" });
          const commit = (): void => {
            ports.state.transaction(() => enqueue(ports.state, draft, ports.clock.wallMs()));
            resolve({ id: draft.id, told: "queued" });
            if (request.to.some((one) => one !== "all")) daemon.state.noteConversation();
            else daemon.state.noteArrival();
            this.#world.timeline.after(PUSH_AFTER_ANSWER_MS, () =>
              life.reach(() => daemon.state.pushBell.ring()),
            );
          };
          if (isEarly) this.#world.timeline.after(LATE_MS, () => life.reach(() => attempt(commit)));
          else commit();
        } catch (thrown) {
          this.#tolerate(thrown);
          resolve({ id: "", told: "nothing" });
        }
      });
    });
  }

  async #sendByCommand(
    request: SendRequest,
    killedAfter: number | null,
  ): Promise<{ id: string; told: Told }> {
    const life = new Life(this.#world.timeline, () => undefined);
    if (killedAfter !== null) life.endAfter(killedAfter, COMMAND_TIMEOUT_MS);
    this.#world.commands.add({ life, machine: this });
    let id = "";
    try {
      const identity = loadIdentity(this.files.state.portOf(life)) ?? NO_IDENTITY;
      const ports = this.#sendPorts(life, identity);
      const draft = this.#draft(request, ports);
      id = draft.id;
      const place: FlushPlace = {
        clock: ports.clock,
        state: ports.state,
        takeLock: () => this.#takeFlushLock(life),
        open: async () => ports,
        mend: async () => null,
        settle: async () => undefined,
      };
      const facts = serverFacts("1.0.0", this.settings, null);
      const timeoutMs = COMMAND_TIMEOUT_MS;
      await flushAt(place, { drafts: [draft], facts, rules: this.settings, timeoutMs, signal: NOBODY_STOPS });
      life.call();
      // The daemon looks at the outbox by itself, every ten seconds.
      this.daemon?.state.pushBell.ring();
      return { id, told: this.isPushed(id) ? "pushed" : "queued" };
    } catch (thrown) {
      this.#tolerate(thrown);
      return { id, told: "nothing" };
    } finally {
      life.end();
    }
  }

  #draft(request: SendRequest, { clock, cryptography }: SendPorts): EntryDraft {
    return requireOk("USAGE", draftMessage(request, { server: this.server, clock, cryptography }));
  }

  #hear(life: Life, event: MonitorEvent): void {
    if (life.isOver) return;
    switch (event.kind) {
      case "message":
        this.#world.noteHandled(this, event.handled);
        return;
      case "failed":
        this.#surprise(event.detail);
        return;
      case "pushed":
        this.#world.settleWaiters(this);
        return;
      case "trouble":
      case "recovered":
      case "breaker":
      case "handler":
      case "held":
      case "notice":
        this.#world.note(this.server, wordsOf(event));
        return;
      default:
    }
  }

  #cutPower(): void {
    this.isOn = false;
    for (const command of this.#world.commands) if (command.machine === this) command.life.end();
    const choose = (count: number): number => this.#chance.integer(0, count - 1);
    this.files.state.losePower(choose);
    this.files.index.losePower(choose);
    this.store.cutPower(this.#chance);
    this.handlers.losePower();
  }

  /** What comes of a death or of a full disk is no surprise. */
  #tolerate(thrown: unknown): void {
    if (thrown instanceof LifeIsOver) return;
    if (thrown instanceof FleetError && ["IO", "NOT_AUTHORISED", "NOT_YET"].includes(thrown.code)) return;
    this.#surprise(messageOf(thrown));
  }

  #surprise(detail: string): void {
    if (detail.includes("database or disk is full")) return;
    this.#world.note(this.server, `did not expect: ${detail}`);
    this.surprises.push(detail);
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch (thrown) {
    if (!(thrown instanceof LifeIsOver || thrown instanceof FleetError)) throw thrown;
  }
}

function wordsOf(
  event: Extract<MonitorEvent, { kind: "trouble" | "recovered" | "breaker" | "handler" | "held" | "notice" }>,
): string {
  switch (event.kind) {
    case "trouble":
      return `trouble with ${event.during}: ${event.detail}`;
    case "recovered":
      return `${event.during} works again`;
    case "held":
      return `is held (${event.reason}): ${event.detail}`;
    case "notice":
      return event.text;
    case "breaker":
      return `breaker ${event.state}`;
    case "handler":
      return `handler of ${event.id.slice(-8)} ${event.state} ${event.exitCode ?? ""} ${event.reason}`;
  }
}

/** Stands where nobody asks who this is. */
const NO_IDENTITY: Identity = {
  server: "",
  fleet: "",
  namespace: "refs/fleet/",
  format: "sha1",
  remoteUrl: "",
  publicKey: "",
  epoch: "",
  createdWallMs: 0,
};
