import { dirname } from "node:path";
import { FleetError, messageOf } from "../../base/errors.ts";
import { readBoot } from "../../platform/boot.ts";
import { machinePaths } from "../../platform/paths.ts";
import { readHolder, writeHolder } from "../../platform/process-lock.ts";
import type { MonitorEvent } from "../events.ts";
import { Bell, runLoop } from "../loop.ts";
import type { MonitorContext } from "../monitor-context.ts";
import { alarmFleet } from "./crash-alarm.ts";
import { Supervision } from "./supervision.ts";

/** What supervision needs of the monitor. */
type SuperviseContext = Pick<
  MonitorContext,
  "mailbox" | "daemon" | "machine" | "options" | "sendPorts" | "signal"
>;

/** How often a daemon that is messaging-only looks whether it is to supervise now. Chosen, not measured. */
const LOOK_MS = 2_000;

/**
 * Supervision as long as this daemon has the machine's role: opened when it gets it, which may be long after the daemon
 * began, and closed with the daemon.
 */
export class MachineSupervision {
  readonly #context: SuperviseContext;
  #open: Supervision | null = null;

  constructor(context: SuperviseContext) {
    this.#context = context;
  }

  /** Begins to supervise if the role is free. What is in the way is told, and tried again by `run`. */
  async begin(): Promise<void> {
    try {
      await this.#take();
    } catch (thrown) {
      this.#context.options.report({ kind: "failed", detail: messageOf(thrown) });
    }
  }

  /** The supervision of this daemon. @throws FleetError UNAVAILABLE, naming the server whose daemon supervises */
  get(): Supervision {
    if (this.#open !== null) return this.#open;
    const { mailbox, machine } = this.#context;
    if (machine.holds())
      throw new FleetError("UNAVAILABLE", "Cannot supervise yet: the monitor is just starting");
    const holder = readHolder(mailbox.paths.machineLock);
    const who = holder?.server === undefined ? "another server" : `server "${holder.server}"`;
    throw new FleetError(
      "UNAVAILABLE",
      `Cannot supervise: this monitor is messaging-only, the one of ${who} looks after this machine`,
    );
  }

  /** The services, if this daemon supervises. */
  get opened(): Supervision | null {
    return this.#open;
  }

  /** Supervises until the daemon ends. What goes wrong in a round is told, and the next round tries again. */
  async run(onError: (thrown: unknown) => void): Promise<void> {
    const { signal, sendPorts } = this.#context;
    const { clock } = sendPorts;
    const loop = (round: () => Promise<number>): Promise<void> =>
      runLoop({ round, bell: new Bell(), clock, signal, onError });
    await Promise.all([
      loop(() => this.#take()),
      loop(() => Promise.resolve(this.#open?.pump() ?? LOOK_MS)),
      loop(async () => (await this.#open?.sample()) ?? LOOK_MS),
      loop(() => Promise.resolve(this.#open?.expireLogs() ?? LOOK_MS)),
    ]);
  }

  /** Lets go of services and files. Called when the control socket is closed. */
  async close(): Promise<void> {
    await this.#open?.close();
    this.#open = null;
  }

  /** The same, at once, without stopping any service. */
  letGo(): void {
    this.#open?.letGo();
    this.#open = null;
  }

  /** Services go on whatever becomes of the message about them. */
  #report(event: MonitorEvent): void {
    const { report } = this.#context.options;
    report(event);
    try {
      alarmFleet(this.#context, event);
    } catch (thrown) {
      report({ kind: "failed", detail: messageOf(thrown) });
    }
  }

  async #take(): Promise<number> {
    const { machine, mailbox, daemon, options, sendPorts } = this.#context;
    if (this.#open !== null || !machine.holds()) return LOOK_MS;
    const { server } = mailbox.identity;
    writeHolder(mailbox.paths.machineLock, {
      pid: process.pid,
      startedWallMs: daemon.startedWallMs,
      server,
    });
    this.#open = await Supervision.open({
      paths: machinePaths(dirname(mailbox.paths.folder)),
      clock: sendPorts.clock,
      boot: readBoot().id,
      settings: options.settings,
      report: (event) => this.#report(event),
      onChanged: () => daemon.bump(),
    });
    daemon.bump();
    return LOOK_MS;
  }
}
