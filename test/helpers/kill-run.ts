/**
 * Kills fleetd again and again at random points and lets it recover by itself.
 *
 * A kill lands when the process was still at work; only those are counted. Half of them take the process alone, so that
 * its git goes on without it, the other half everything that it had started. The delay is drawn uniformly over the
 * duration that the operation was measured to take, so no point of it is preferred.
 */
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { percentile } from "./figures.ts";
import { listLocks, readLogs } from "./fleet-evidence.ts";
import { type CommandResult, FleetSandbox, type Monitor } from "./fleet-sandbox.ts";
import { type KillScope, killHard } from "./kill.ts";
import { phaseOfReceive, phaseOfSend } from "./kill-phases.ts";
import { createRandom } from "./random.ts";
import { eventually } from "./temp-git.ts";

/** So many kills follow each other before something has to work by itself. */
const LEFT_ALONE = 4;

/** Budgets out of the way: every request is to be answered here. */
const SETTINGS = "auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }\n";

/** A lock is taken for stale when it is older than a minute; the test does not wait for that. */
const STALE_MS = 61_000;

/** How many of the latest measurements of an operation count, and after how many rounds there is another one. */
const MEASUREMENTS = 5;
const MEASURE_EVERY = 8;

/** What was done and what was seen. */
export interface KillCounts {
  landed: number;
  missed: number;
  /** Sends after a kill that were told "not yet", because the killed push had left a lock on the remote. */
  notYet: number;
  locksAged: number;
  /** How many kills met each phase. */
  readonly phases: Map<string, number>;
  /** What should not have been. */
  readonly faults: string[];
}

/** Kills a process after a random delay. */
export type Kill = (pid: number) => Promise<void>;

/** What is killed, and what has to be there before that takes as long as it does. */
export interface Operation {
  readonly prepare?: () => Promise<unknown>;
  readonly operation: () => Promise<unknown>;
}

export class KillRun {
  readonly sandbox: FleetSandbox;
  readonly counts: KillCounts;
  readonly #random: () => number;
  #scope: KillScope = "tree";

  constructor(
    seed: number,
    counts: KillCounts = {
      landed: 0,
      missed: 0,
      notYet: 0,
      locksAged: 0,
      phases: new Map(),
      faults: [],
    },
    sandbox = new FleetSandbox(SETTINGS),
  ) {
    this.#random = createRandom(seed);
    this.counts = counts;
    this.sandbox = sandbox;
  }

  /** Another fleet whose faults count here. */
  fork(): KillRun {
    return new KillRun(0, this.counts);
  }

  /**
   * Repeats `round` until `wanted` kills have landed. A round answers how many of its kills did; `kill` waits for a
   * random part of the time that `operation` takes, which is measured now and then, since a machine may be busy.
   */
  async repeat(
    wanted: number,
    measured: Operation | Operation["operation"],
    round: (kill: Kill) => Promise<number>,
  ): Promise<void> {
    const { prepare, operation } = typeof measured === "function" ? { operation: measured } : measured;
    const durations: number[] = [];
    const measure = async (): Promise<void> => {
      await prepare?.();
      const startedMs = performance.now();
      await operation();
      durations.push(performance.now() - startedMs);
    };
    for (let count = 0; count < MEASUREMENTS; count += 1) await measure();
    const kill = async (pid: number): Promise<void> => {
      await Bun.sleep(this.#random() * percentile(durations.slice(-MEASUREMENTS), 0.5));
      killHard(pid, this.#scope);
    };
    for (let rounds = 0; this.counts.landed < wanted && rounds < wanted * 4; rounds += 1) {
      if (rounds % MEASURE_EVERY === MEASURE_EVERY - 1) await measure();
      this.#scope = this.#scope === "alone" ? "tree" : "alone";
      const landed = await round(kill);
      this.counts.landed += landed;
      if (landed === 0) this.counts.missed += 1;
    }
  }

  /** A send after a kill: it works by itself, or says truthfully that a lock is in its way and works once that is old. */
  async sendAfter(server: string, to: string): Promise<void> {
    const first = await this.sandbox.send(server, { to });
    if (first.exitCode === 0) return;
    const locks = this.#locksOf(server);
    if (first.exitCode !== 75 || locks.length === 0) this.#fault("the send after a kill", first);
    this.counts.notYet += 1;
    if (!this.ageLocks(server)) return;
    const second = await this.sandbox.send(server, { to });
    if (second.exitCode !== 0) this.#fault("the send after a stale lock", second);
  }

  /** Sets the locks that were left on the refs of `server` back by a minute; false when there are none. */
  ageLocks(server: string): boolean {
    const locks = this.#locksOf(server);
    for (const lock of locks) {
      const modified = statSync(lock, { throwIfNoEntry: false });
      if (modified === undefined) continue;
      const then = new Date(modified.mtimeMs - STALE_MS);
      utimesSync(lock, then, then);
      this.counts.locksAged += 1;
    }
    return locks.length > 0;
  }

  /** Counts the phase that a kill met. */
  met(phase: string): void {
    this.counts.phases.set(phase, (this.counts.phases.get(phase) ?? 0) + 1);
  }

  /** Notes what ended in a way that no promise allows. */
  fault(what: string): void {
    this.counts.faults.push(what);
  }

  #fault(what: string, { exitCode, stdout, stderr }: CommandResult): void {
    this.counts.faults.push(`${what} ended with ${exitCode}: ${stderr.trim()} ${stdout.trim()}`);
  }

  expectExit(what: string, result: CommandResult, allowed: readonly (number | null)[]): void {
    if (!allowed.includes(result.exitCode)) this.#fault(what, result);
  }

  /** Whether a killed push left a lock on a ref of `server`: nothing of it is pushed while that is young. */
  hasLocks(server: string): boolean {
    return this.#locksOf(server).length > 0;
  }

  #locksOf(server: string): string[] {
    return listLocks(this.sandbox.remote).filter(
      (lock) => lock.endsWith(`/${server}.lock`) || lock.endsWith("/meta.lock"),
    );
  }
}

/**
 * Kills `fleetd send` while no daemon runs. The remote holds its locks for some milliseconds longer than it would, so
 * that some kills of a whole tree leave them behind.
 */
export async function killSends(run: KillRun, wanted: number): Promise<void> {
  const { sandbox } = run;
  await sandbox.init("a");
  await sandbox.init("b");
  holdLocks(sandbox.remote, "sleep 0.015");
  let kills = 0;
  const operation = () => sandbox.send("a", { to: "b" });
  await run.repeat(wanted, operation, async (kill) => {
    const command = sandbox.startSend("a", { to: "b" });
    await kill(command.pid);
    const result = await command.ended;
    run.expectExit("a send", result, [0, 75, null]);
    if (result.exitCode !== null) return 0;
    run.met(phaseOfSend(sandbox, "a", command.body));
    // Most kills are met by the next one, and by whatever the ones before it left.
    kills += 1;
    if (kills % LEFT_ALONE === 0 || run.hasLocks("a")) await run.sendAfter("a", "b");
    return 1;
  });
  await run.sendAfter("a", "b");
}

/** Lets the remote run `command` in the middle of each change of refs, while it has them locked. */
export function holdLocks(remote: string, command: string): void {
  mkdirSync(join(remote, "hooks"), { recursive: true });
  const hook = `#!/bin/sh\nif [ "$1" = prepared ]; then ${command}; fi\n`;
  writeFileSync(join(remote, "hooks", "reference-transaction"), hook, { mode: 0o755 });
}

/** Kills the daemon of the sender while a command sends through it. */
export async function killSendersDaemon(run: KillRun, wanted: number): Promise<void> {
  const { sandbox } = run;
  await sandbox.init("a");
  await sandbox.init("b");
  let monitor = await sandbox.monitor("a");
  const operation = () => sandbox.send("a", { to: "b" });
  await run.repeat(wanted, operation, async (kill) => {
    const command = sandbox.startSend("a", { to: "b" });
    let landed = 1;
    const ended = command.ended.then((result) => {
      landed = 0;
      return result;
    });
    await kill(monitor.pid);
    const counted = landed;
    run.expectExit("a send through a daemon that was killed", await ended, [0, 75]);
    await monitor.ended;
    // The command has pushed by itself meanwhile, so there is no phase of the daemon to be read.
    await run.sendAfter("a", "b");
    monitor = await sandbox.monitor("a");
    return counted;
  });
  await monitor.stop();
}

/**
 * Kills the daemon of the recipient while it fetches, takes in and answers, and now and then its successors as well, which
 * take up what was left.
 */
export async function killReceiver(run: KillRun, wanted: number): Promise<void> {
  const { sandbox } = run;
  await sandbox.init("a");
  await sandbox.init("b");
  let monitor = await sandbox.monitor("b");
  let questions = 0;
  const ask = () => {
    questions += 1;
    return sandbox.startSend("a", { to: "b", body: `question ${questions}: how are you?` });
  };
  const operation = async (): Promise<void> => {
    const before = countPushed(monitor);
    await ask().ended;
    await eventually(() => countPushed(monitor) > before, 60_000);
  };
  await run.repeat(wanted, operation, async (kill) => {
    const asked = ask();
    await kill(monitor.pid);
    run.expectExit("a send to a daemon that was killed", await asked.ended, [0]);
    await monitor.ended;
    run.met(phaseOfReceive(sandbox, { sender: "a", body: asked.body }, "b"));
    const successors = run.hasLocks("b") ? 0 : questions % LEFT_ALONE;
    for (let count = 0; count < successors; count += 1) {
      const successor = sandbox.startMonitor("b");
      await kill(successor.pid);
      await successor.ended;
      run.met(phaseOfReceive(sandbox, { sender: "a", body: asked.body }, "b"));
    }
    await run.sendAfter("b", "a");
    monitor = await sandbox.monitor("b");
    return 1 + successors;
  });
  run.ageLocks("b");
  const isAnswered = await eventually(() => countUnanswered(sandbox) === 0, 60_000);
  if (!isAnswered) run.fault(`${countUnanswered(sandbox)} questions were never answered`);
  await monitor.stop();
}

/** Entries that a daemon of this sandbox told to have pushed. */
const countPushed = (monitor: Monitor): number =>
  monitor
    .events()
    .reduce((total, event) => total + (event["kind"] === "pushed" ? Number(event["entries"]) : 0), 0);

/** Questions on the remote without an answer there. */
function countUnanswered(sandbox: FleetSandbox): number {
  const entries = readLogs(sandbox);
  const answered = new Set(entries.map((entry) => entry.inReplyTo));
  return entries.filter((entry) => entry.body.endsWith("?") && !answered.has(entry.id)).length;
}

/** Kills `fleetd init` of servers that join a fleet. */
export async function killInits(run: KillRun, wanted: number): Promise<void> {
  const { sandbox } = run;
  await sandbox.init("a");
  let made = 0;
  const next = (): string => {
    made += 1;
    return `new-${made}`;
  };
  const operation = () => sandbox.init(next());
  await run.repeat(wanted, operation, (kill) => killInit(run, next(), kill));
}

/** Kills one `init`, of the founder of the fleet if there is none yet, and makes the server after all. */
export async function killInit(run: KillRun, server: string, kill: Kill): Promise<number> {
  const { sandbox } = run;
  const command = sandbox.start(server, sandbox.initWords(server));
  await kill(command.pid);
  const killed = await command.ended;
  run.expectExit("an init", killed, [0, null]);
  let again = await sandbox.run(server, sandbox.initWords(server));
  if (again.exitCode !== 0 && run.ageLocks(server)) {
    run.counts.notYet += 1;
    run.expectExit("an init in the way of a lock", again, [69]);
    again = await sandbox.run(server, sandbox.initWords(server));
  }
  run.expectExit("the init after a kill", again, [0]);
  if (again.exitCode !== 0) return 0;
  sandbox.adopt(server);
  await run.sendAfter(server, "a");
  const home = join(sandbox.filesOf(server).folder, "..");
  const left = readdirSync(home).filter((name) => name !== server);
  if (left.length > 0) run.fault(`an init left ${left.join(", ")}`);
  return killed.exitCode === null ? 1 : 0;
}
