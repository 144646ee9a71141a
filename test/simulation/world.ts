/** A simulated fleet: its machines, its remote, what happens to them, and what they were told. */
import { messageOf } from "../../src/base/errors.ts";
import type { HandledMessage } from "../../src/fleet/messaging/answer-messages.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import type { ServerSettings } from "../../src/fleet/settings/model.ts";
import type { SendRecord } from "../helpers/fleet-checker.ts";
import { Chance } from "./chance.ts";
import { Checks } from "./checks.ts";
import { breakFleet, type Cure } from "./faults.ts";
import type { Happening, Plan, Sending } from "./happening.ts";
import type { Life } from "./life.ts";
import { Machine, type Told } from "./machine.ts";
import type { Mutant } from "./mutants.ts";
import { Network } from "./network.ts";
import { pretendedSignatures, realSignatures, type Signatures } from "./sim-cryptography.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";

/** How a run is made, besides its plan. */
export interface WorldOptions {
  readonly hasRealSignatures: boolean;
  readonly keepsTrace: boolean;
  /** Leave out rounds of loops that can find nothing new. */
  readonly skipsIdle: boolean;
  readonly mutant: Mutant | null;
}

/** A sender who waits to hear that his message is on the remote. */
interface Waiter {
  readonly machine: Machine;
  readonly id: string;
  readonly untilMs: number;
  readonly record: Recorded;
}

type Recorded = { -readonly [Key in keyof SendRecord]: SendRecord[Key] };

/** A sender waits for so long; as `fleetd send` does. */
const WAIT_MS = 10_000;
/** So many messages of its own a peer that lies sends in an hour: four times what anybody may answer to one peer. */
const LIES_AN_HOUR = 40;
const HOUR_MS = 3_600_000;

/** See the head of this file. */
export class World {
  readonly plan: Plan;
  readonly timeline = new Timeline();
  readonly network: Network;
  readonly signatures: Signatures;
  readonly trace: Trace;
  readonly checks: Checks;
  readonly skipsIdle: boolean;
  readonly mutant: Mutant | null;
  readonly machines = new Map<string, Machine>();
  readonly commands = new Set<{ readonly life: Life; readonly machine: Machine }>();
  /** Commits that somebody put on a ref who does not own it. */
  readonly strange = new Set<string>();
  /** Those of them that he made himself. */
  readonly junk = new Set<string>();
  /** What ends the faults that last. */
  readonly cures = new Set<Cure>();
  readonly records = new Map<string, Recorded>();
  /** The commits that a ref's owner put on it, in order. */
  readonly history = new Map<string, string[]>();
  /** Peers that lie do so until things are healed. */
  isHealed = false;
  #waiters: Waiter[] = [];
  #lies = 0;
  readonly #lieTimes = new Map<string, number[]>();
  readonly #lying: Chance;
  readonly #wayChanges = new Map<string, number>();

  constructor(plan: Plan, options: WorldOptions) {
    this.plan = plan;
    this.network = new Network(this.timeline, plan.isFolder);
    this.signatures = options.hasRealSignatures ? realSignatures() : pretendedSignatures();
    this.trace = new Trace(options.keepsTrace);
    this.skipsIdle = options.skipsIdle;
    this.mutant = options.mutant;
    this.#lying = new Chance(plan.seed, "lies");
    const honest = new Set(
      plan.machines.filter(({ character }) => character === "honest").map(({ server }) => server),
    );
    const { per_host: perHost, per_peer: perPeer } = DEFAULT_SETTINGS.auto_reply;
    this.checks = new Checks(this.network, honest, { perHost, perPeer }, () => this.timeline.nowMs);
    const settings = settingsOf(plan);
    for (const one of plan.machines) this.machines.set(one.server, new Machine(this, one, settings));
    this.network.onMove = (move) => {
      const fresh = this.checks.noteMove(move);
      if (move.to !== null && move.by !== "stranger") {
        const history = this.history.get(move.ref) ?? [];
        history.push(move.to);
        this.history.set(move.ref, history);
      }
      const to = move.to?.slice(0, 8) ?? "nothing";
      this.note(
        move.by,
        `${move.ref.slice("refs/".length)} is ${to}${fresh.length > 0 ? `, ${fresh.length} new` : ""}`,
      );
      for (const machine of this.machines.values()) machine.wakeLook();
    };
  }

  /** Everything that is planned is put on the timeline. */
  begin(): void {
    for (const { server, joinsAtMs } of this.plan.machines) {
      this.timeline.at(joinsAtMs, () => this.machine(server).start());
    }
    for (const one of this.plan.happenings) this.timeline.at(one.atMs, () => this.#happen(one));
  }

  machine(server: string): Machine {
    const machine = this.machines.get(server);
    if (machine === undefined) throw new Error(`no machine ${server}`);
    return machine;
  }

  note(who: string, what: string): void {
    this.trace.add(this.timeline.nowMs, who, what);
  }

  /** Changes with everything that a look of this machine at the remote could find changed. */
  versionFor(machine: Machine): number {
    return this.network.version + (this.#wayChanges.get(machine.server) ?? 0);
  }

  noteWayChange(machine: Machine): void {
    this.#wayChanges.set(machine.server, (this.#wayChanges.get(machine.server) ?? 0) + 1);
    machine.wakeLook();
  }

  /** A server looked at a message. */
  noteHandled(machine: Machine, { message, act, silence, replyId }: HandledMessage): void {
    this.note(
      machine.server,
      `takes ${message.id.slice(-8)} of ${message.from}: ${act}${silence === null ? "" : `, ${silence}`}`,
    );
    const answersAll = machine.isHonest && this.mutant?.answers === "everything-once";
    if (machine.isHonest && !answersAll) return;
    if (replyId !== null || this.isHealed) return;
    const isCareful = machine.plan.character === "careless";
    // Who is careless answers whatever comes to him alone, of programs too; who lies answers everything, to everybody.
    if (isCareful && !message.to.includes(machine.server)) return;
    const toAll = !isCareful && !answersAll && this.#lying.isTrue(0.3);
    const delayMs = this.#lying.magnitude(200, 20_000);
    this.timeline.after(delayMs, () =>
      this.#lie(machine, { to: [toAll ? "all" : message.from], inReplyTo: message.id }),
    );
  }

  /** Tells those who wait for it that their message is on the remote. */
  settleWaiters(machine: Machine): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      const isOver = this.timeline.nowMs > waiter.untilMs;
      if (isOver || waiter.machine !== machine || !machine.isPushed(waiter.id)) return !isOver;
      waiter.record.told = "pushed";
      waiter.record.endedWallMs = this.timeline.nowMs;
      this.note(machine.server, `tells that ${waiter.id.slice(-8)} is pushed`);
      return false;
    });
  }

  /** Everything that was broken is mended, and nobody lies any more. */
  heal(): void {
    this.note("world", "heals");
    this.isHealed = true;
    for (const cure of [...this.cures]) cure.apply();
    for (const machine of this.machines.values()) {
      if (this.plan.clocksHeal) this.setClock(machine, -machine.offsetMs);
      machine.start();
      this.noteWayChange(machine);
    }
  }

  /** What a machine was told to keep since `sinceMs` and did not bring away is gone with its disk. */
  excuse(machine: Machine, sinceMs: number): void {
    for (const record of this.records.values()) {
      if (record.server !== machine.server || record.endedWallMs < sinceMs) continue;
      if (!this.checks.hasArrived(record)) record.told = "nothing";
    }
  }

  setClock(machine: Machine, byMs: number): void {
    machine.offsetMs += byMs;
    if (byMs > 0) this.checks.noteForward(machine.server, byMs);
  }

  #happen(one: Happening): void {
    if (this.isHealed) return;
    switch (one.kind) {
      case "send":
        this.#send(one);
        return;
      case "mark":
        this.machine(one.server).mark(one.what);
        return;
      default:
        this.note(one.server, `fault ${one.id}: ${one.kind}`);
        breakFleet(this, one);
    }
  }

  #send(sending: Sending): void {
    const machine = this.machine(sending.server);
    const sent = machine.send(
      {
        to: sending.to,
        subject: sending.subject,
        body: sending.body,
        kind: sending.messageKind,
        ackRequired: sending.ackRequired,
        expiresInMs: sending.expiresInMs ?? undefined,
        idempotencyKey: sending.key ?? undefined,
      },
      sending,
    );
    if (sent === null) return;
    const record = this.#record(sending);
    sent.then(
      ({ id, told }) => {
        this.note(sending.server, `tells "${sending.body}" (${id.slice(-8)}): ${told}`);
        this.#tell(record, { machine, id, told, waits: sending.waits });
        if (id !== "" && sending.expiresInMs !== null) record.expiringId = id;
      },
      (thrown: unknown) => this.checks.break("crashed", `a send of ${sending.server}: ${messageOf(thrown)}`),
    );
  }

  /** What is sent twice under one key is one promise. */
  #record({ server, body }: Pick<Sending, "server" | "body">): Recorded {
    const key = `${server} ${body}`;
    const nowMs = this.timeline.nowMs;
    const known = this.records.get(key);
    if (known !== undefined) return known;
    // Until it is told it has not ended.
    const endedWallMs = Number.MAX_SAFE_INTEGER;
    const record: Recorded = { server, body, startedWallMs: nowMs, endedWallMs, told: "nothing" };
    this.records.set(key, record);
    return record;
  }

  #tell(
    record: Recorded,
    { machine, id, told, waits }: { machine: Machine; id: string; told: Told; waits: boolean },
  ): void {
    const nowMs = this.timeline.nowMs;
    // Who was told nothing does not know when it ended: a command that was killed may have done all of it before.
    if (told === "nothing") return;
    if (record.told !== "pushed") record.told = told;
    record.endedWallMs = nowMs;
    if (told === "queued" && waits) this.#waiters.push({ machine, id, untilMs: nowMs + WAIT_MS, record });
  }

  #lie(machine: Machine, about: { readonly to: readonly string[]; readonly inReplyTo: string }): void {
    const nowMs = this.timeline.nowMs;
    const times = (this.#lieTimes.get(machine.server) ?? []).filter((atMs) => atMs > nowMs - HOUR_MS);
    this.#lieTimes.set(machine.server, times);
    if (times.length >= LIES_AN_HOUR || this.isHealed) return;
    this.#lies += 1;
    const body = `${machine.server} answers ${this.#lies}: and how are you?`;
    const request = { ...about, body, subject: "Re: Re: Re:", kind: "request" };
    const sent = machine.send(request, { via: "daemon", killedAfter: null });
    if (sent === null) return;
    times.push(nowMs);
    // What an honest server says by itself nobody has asked it to say.
    if (machine.isHonest) this.checks.noteAnswer(machine.server, about.to[0] ?? "");
    else this.#record({ server: machine.server, body });
    sent.catch((thrown: unknown) =>
      this.checks.break("crashed", `a lie of ${machine.server}: ${messageOf(thrown)}`),
    );
  }
}

function settingsOf({ intervalMs, talkMs, heartbeatMs, onCrash }: Plan): ServerSettings {
  return {
    ...DEFAULT_SETTINGS,
    interval: intervalMs,
    poll: { ...DEFAULT_SETTINGS.poll, conversation: talkMs },
    heartbeat: { idle: heartbeatMs / 2, every: heartbeatMs },
    rules: [
      {
        name: "work",
        match: { subject: ["work"] },
        run: ["/usr/bin/work"],
        on_crash: onCrash,
        timeout: 30_000,
      },
      { name: "note", match: { subject: ["note"] }, ack: true },
      { name: "warn", match: { kind: ["warning"] }, reply: "{server} has seen it" },
    ],
  };
}
