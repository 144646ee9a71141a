/**
 * Cuts the power of a fleet again and again at random moments. Two servers send, one through its daemon and one without,
 * and the third receives, answers and hands work to a handler. Everything of fleetd's is on the disk that loses power,
 * the remote too; the handler's own notes are outside, so that nothing that it did can be forgotten.
 */
import { Database } from "bun:sqlite";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../src/base/errors.ts";
import { type Evidence, judge, type RemoteEntry, type Violation } from "./fleet-checker.ts";
import { gather, readLogs } from "./fleet-evidence.ts";
import { FleetSandbox } from "./fleet-sandbox.ts";
import { KillRun } from "./kill-run.ts";
import { MOUNTS, PowerDisk } from "./power-disk.ts";
import { createRandom } from "./random.ts";
import { eventually, TempGit } from "./temp-git.ts";

const DISK_MEGABYTES = 128;
/** The power is cut after fewer acknowledged sends than this, and a random part of the time that the last one took. */
const SENDS_BEFORE_CUT = 8;
/** A daemon that was started after a cut is cut off again within this time; it is ready after some 150 ms. */
const START_CUT_WITHIN_MS = 400;
/** Chosen, far above the slowest seen. */
const SETTLED_WITHIN_MS = 60_000;
const NOTING = join(import.meta.dir, "fixtures/handlers/noting.sh");
const WORK_SECONDS = "0.03";

/** What was done and seen. */
export interface PowerCounts {
  cuts: number;
  acknowledged: number;
  /** Messages that the handler began. */
  handled: number;
  readonly violations: Violation[];
  readonly faults: string[];
}

/** strace lets a call answer without being made. */
const LYING_DISK = [
  "strace",
  "-f",
  "-qq",
  "--seccomp-bpf",
  "-o",
  "/dev/null",
  "-e",
  "trace=fsync,fdatasync,syncfs,sync_file_range",
  "-e",
  "inject=fsync,fdatasync,syncfs,sync_file_range:retval=0",
];

const settingsOf = (notes: string): string => `interval: 1s
auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }
handlers: { concurrency: 1 }
rules:
  - { name: work, match: { body: work }, run: [${NOTING}, ${notes}, "${WORK_SECONDS}"] }
`;

export class PowerRun {
  readonly disk = new PowerDisk(DISK_MEGABYTES);
  readonly counts: PowerCounts = {
    cuts: 0,
    acknowledged: 0,
    handled: 0,
    violations: [],
    faults: [],
  };
  readonly sandbox: FleetSandbox;
  readonly #outside = new TempGit();
  readonly #random: () => number;
  readonly #kills: KillRun;

  constructor(seed: number) {
    this.#random = createRandom(seed);
    const notes = join(this.#outside.folder, "notes");
    const disk = { folder: this.disk.folder, founder: "a" };
    this.sandbox = new FleetSandbox({ settings: settingsOf(notes), disk });
    this.sandbox.handlers.set("b", { file: notes, runsMax: 1, isWanted: (body) => body.includes("work") });
    this.#kills = new KillRun(seed, undefined, this.sandbox);
  }

  /** Makes the fleet. */
  async open(): Promise<void> {
    this.disk.mount(this.#mountOptions());
    for (const server of ["a", "b", "c"]) await this.sandbox.init(server);
  }

  /** One cut while everything is at work, every third time another one while the daemons start again, and the recovery. */
  async round(): Promise<void> {
    const { sandbox } = this;
    const daemons = ["a", "b"].map((server) => sandbox.startMonitor(server));
    const sending = { goesOn: true };
    const senders = ["a", "c"].map((server) => this.#sendInTurn(server, sending));
    const wanted = this.#acknowledged() + Math.floor(this.#random() * SENDS_BEFORE_CUT);
    await eventually(() => this.#acknowledged() >= wanted, SETTLED_WITHIN_MS);
    const last = sandbox.sends.at(-1);
    const lastMs = last === undefined ? 0 : last.endedWallMs - last.startedWallMs;
    await Bun.sleep(this.#random() * lastMs);
    sending.goesOn = false;
    await this.#cut();
    await Promise.all([...senders, ...daemons.map((daemon) => daemon.ended)]);
    if (this.#random() < 1 / 3) {
      for (const server of ["a", "b"]) sandbox.startMonitor(server);
      await Bun.sleep(this.#random() * START_CUT_WITHIN_MS);
      await this.#cut();
    }
    await this.#recover();
  }

  /**
   * The negative control: the same fleet at the same work, only that every flush answers at once and does nothing. One
   * cut; then fleetd is itself again. Answers what the judge says of what is on the remote.
   */
  async control(acknowledgedMin: number): Promise<Violation[]> {
    const { sandbox, disk } = this;
    disk.flush();
    sandbox.wrapper = LYING_DISK;
    for (const server of ["a", "b"]) sandbox.startMonitor(server);
    const sending = { goesOn: true };
    const senders = ["a", "c"].map((server) => this.#sendInTurn(server, sending));
    const isEnough = await eventually(() => this.#acknowledged() >= acknowledgedMin, SETTLED_WITHIN_MS);
    sending.goesOn = false;
    await this.#cut();
    await Promise.all(senders);
    if (!isEnough) throw new Error(`only ${this.#acknowledged()} sends were acknowledged`);
    this.counts.acknowledged = this.#acknowledged();
    this.counts.faults.splice(0);
    sandbox.wrapper = [];
    // What is left in the outboxes goes along with one more message; where nothing is left that fails.
    const sends = [...sandbox.sends];
    for (const server of ["a", "c"]) await sandbox.send(server, { to: "b" });
    const alone = { servers: [], fsck: [], locks: [], processes: [] };
    const asked = sandbox.sends.slice(sends.length).map((send) => ({ ...send, told: "nothing" }) as const);
    return judge([...sends, ...asked], { ...alone, entries: entriesLeft(sandbox) });
  }

  async close(): Promise<void> {
    await this.sandbox.close();
    await this.disk.remove();
    this.#outside.remove();
  }

  #acknowledged(): number {
    return this.sandbox.sends.filter((send) => send.told !== "nothing").length;
  }

  async #sendInTurn(server: string, sending: { readonly goesOn: boolean }): Promise<void> {
    for (let count = 0; sending.goesOn; count += 1) {
      const body = `${this.sandbox.nextBody(server)}${count % 3 === 1 ? ", and how are you?" : " work"}`;
      const result = await this.sandbox.send(server, { to: "b", body });
      // While the power is cut a command may find that its disk is gone; a bug it is never.
      const allowed = sending.goesOn ? [0, 75] : [0, 69, 74, 75, null];
      if (!allowed.includes(result.exitCode))
        this.counts.faults.push(`a send ended with ${result.exitCode}: ${result.stderr}`);
    }
  }

  async #cut(): Promise<void> {
    this.disk.cut();
    await this.sandbox.killAll();
    await this.disk.unmount();
    this.disk.mount(this.#mountOptions());
    this.counts.cuts += 1;
    this.counts.faults.push(...["a", "b", "c"].flatMap((server) => this.#checkDatabases(server)));
  }

  /** What SQLite says about copies of the databases, before anybody has mended anything. */
  #checkDatabases(server: string): string[] {
    const { state, index } = this.sandbox.filesOf(server);
    return [state, index].flatMap((path) => {
      if (!existsSync(path)) return [`${path} is missing`];
      const copy = this.#outside.path("copy.db");
      for (const end of ["", "-wal"]) if (existsSync(path + end)) copyFileSync(path + end, copy + end);
      const complaint = complaintOf(copy);
      return complaint === "ok" ? [] : [`${path}: ${complaint}`];
    });
  }

  /** Everything is started again as it was, and nobody does anything by hand. */
  async #recover(): Promise<void> {
    const { sandbox, counts } = this;
    const daemons = [await sandbox.monitor("a"), await sandbox.monitor("b")];
    this.#kills.ageLocks("b");
    for (const server of ["a", "c"]) await this.#kills.sendAfter(server, "b");
    const isSettled = await eventually(() => this.#isSettled(), SETTLED_WITHIN_MS);
    if (!isSettled) counts.faults.push(`not settled: ${daemons.map((one) => one.complaints()).join(" ")}`);
    for (const daemon of daemons) await daemon.stop();
    counts.faults.push(...this.#kills.counts.faults.splice(0));
    const evidence = await gather(sandbox);
    counts.violations.push(...judge(sandbox.sends, forgetTimes(evidence)));
    counts.handled = new Set(evidence.servers.flatMap(({ work }) => work?.began ?? [])).size;
    counts.acknowledged = this.#acknowledged();
  }

  /** Whether all that was asked is answered or worked on. */
  #isSettled(): boolean {
    const entries = readLogs(this.sandbox);
    const answered = new Set(entries.flatMap(({ inReplyTo, receipt }) => [inReplyTo, receipt?.message]));
    const parked = new Set(parkedIn(this.sandbox.filesOf("b").state));
    return entries
      .filter(({ type, body }) => type === "message" && (body.endsWith("?") || body.includes("work")))
      .every(({ id }) => answered.has(id) || parked.has(id));
  }

  #mountOptions(): string {
    return MOUNTS[Math.floor(this.#random() * MOUNTS.length)] ?? "defaults";
  }
}

/** What SQLite says about a file: "ok", or what is wrong. */
function complaintOf(path: string): string {
  try {
    const database = new Database(path, { readwrite: true });
    const rows = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
    database.close();
    return rows.map((row) => row.integrity_check).join("; ");
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function parkedIn(path: string): string[] {
  const state = new Database(path, { readonly: true });
  try {
    const rows = state.query<{ id: string }, []>("SELECT message_id AS id FROM runs WHERE state = 'parked'");
    return rows.all().map((row) => row.id);
  } finally {
    state.close();
  }
}

/**
 * When a message was confirmed is noted without a flush, and anew after a cut: that it is on a remote which lost its power
 * as well proves more than that note.
 */
function forgetTimes(evidence: Evidence): Evidence {
  const servers = evidence.servers.map((one) => ({
    ...one,
    outbox: one.outbox.map((item) => ({ ...item, pushedWallMs: item.pushedWallMs === null ? null : 0 })),
  }));
  return { ...evidence, servers };
}

/** What can still be read of the logs on the remote. */
function entriesLeft(sandbox: FleetSandbox): RemoteEntry[] {
  try {
    return readLogs(sandbox);
  } catch {
    // No repository, or a damaged one: nothing is left.
    return [];
  }
}
