/**
 * Kills a daemon at every step that a handler's run takes, and counts how often the handler ran for each message.
 *
 * The steps are waited for from outside: a ref on the remote, a row in the journal, a line that the handler wrote. A kill
 * may still come a moment later than it was meant to, so what counts is the step that the dead daemon's journal shows.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { killHard } from "./kill.ts";
import { createRandom } from "./random.ts";
import { isAlive, type Running, TempFleet } from "./temp-fleet.ts";
import { eventually } from "./temp-git.ts";

/** Where a run stands when its daemon dies. */
export const STEPS = [
  "before the journal row",
  "queued",
  "started, no process noted",
  "process noted, no sign of it",
  "running",
  "ended, not written down",
  "done, not pushed",
  "pushed",
] as const;
export type Step = (typeof STEPS)[number];

/** What was seen of one message: the steps at which its daemon was killed, and what came of it. */
export interface Counted {
  readonly id: string;
  readonly steps: readonly Step[];
  readonly state: string;
  readonly runs: number;
  readonly replies: number;
  readonly receipts: number;
}

const WAIT_MS = 30_000;
const COUNT = join(import.meta.dir, "fixtures/handlers/count.sh");
/** How long a handler works. */
const WORK_SECONDS = 0.15;
/** How long it gives no sign before that, so that a kill can meet it there. */
const SILENT_SECONDS = 0.03;
/** A daemon that dies at a random moment dies within this time after the send began. */
const RANDOM_MS = 600;

interface RunRow {
  readonly state: string;
  readonly pid: number | null;
}

/** One fleet whose worker is killed again and again under one policy. */
export class HandlerKills {
  readonly #fleet = new TempFleet();
  readonly #file = join(this.#fleet.git.folder, "runs");
  readonly #config = join(this.#fleet.git.folder, "fleetd.yaml");
  readonly #random: () => number;
  readonly #steps = new Map<string, Step[]>();
  /** Processes of handlers that outlived the run they belonged to. */
  readonly leftOver: number[] = [];
  #sent = 0;
  #monitor: Running | null = null;
  #journal: Database | null = null;

  constructor(policy: "park" | "retry", seed: number) {
    this.#random = createRandom(seed);
    const rule = `{ name: count, match: { subject: work }, run: [${COUNT}, ${this.#file}, "${WORK_SECONDS}", "0", "${SILENT_SECONDS}"], on_crash: ${policy} }`;
    const budgets = "auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }";
    writeFileSync(
      this.#config,
      `${budgets}\nhandlers: { concurrency: 1, attempts: 5 }\nrules:\n  - ${rule}\n`,
    );
  }

  async open(): Promise<void> {
    await this.#fleet.init(["boss", "worker"]);
    await this.#start();
    this.#journal = new Database(join(this.#fleet.root, "worker", "state.db"), { readonly: true });
  }

  async close(): Promise<void> {
    this.#journal?.close();
    await this.#fleet.remove();
  }

  /** Kills the daemon of one more message at `step`, as near as it can be met, or (null) at a random moment. */
  async round(step: Step | null): Promise<void> {
    // The only slot is taken, so that the next one stays queued.
    const blocker = step === "queued" ? this.#send() : null;
    if (blocker !== null) this.#spin(() => this.#marks(blocker).began);
    const before = this.#remoteTip();
    const id = this.#send();
    if (step === null) await Bun.sleep(this.#random() * RANDOM_MS);
    else this.#spin(() => this.#isAt(step, id, before));
    const { pid } = this.#monitor as Running;
    killHard(pid, "alone");
    await this.#monitor?.ended();
    const ids = [id, ...(blocker === null ? [] : [blocker])];
    for (const one of ids) {
      this.#steps.set(one, [...(this.#steps.get(one) ?? []), this.#stepOf(one)]);
    }
    await this.#start();
    const isSettled = await eventually(() => ids.every((one) => this.#isSettled(one)), WAIT_MS);
    if (!isSettled) throw new Error(`Runs did not settle: ${JSON.stringify(this.counts())}`);
    this.leftOver.push(...ids.flatMap((one) => this.#marks(one).pids).filter(isAlive));
  }

  /** What was met so far. */
  steps(): Step[] {
    return [...this.#steps.values()].flat();
  }

  /** Runs, answers and receipts per message, from the handler's own file and from the worker's log on the remote. */
  counts(): Counted[] {
    const log = this.#log();
    return [...this.#steps].map(([id, steps]) => ({
      id,
      steps,
      state: this.#row(id)?.state ?? "missing",
      runs: this.#marks(id).pids.length,
      replies: log.filter((entry) => entry["in_reply_to"] === id).length,
      receipts: log.filter((entry) => entry["type"] === "receipt" && entry["message"] === id).length,
    }));
  }

  async #start(): Promise<void> {
    this.#monitor = await this.#fleet.monitor("worker", ["--config", this.#config]);
  }

  /** Starts to send one message under an id of its own and does not wait. */
  #send(): string {
    this.#sent += 1;
    const key = `${this.#sent}`;
    this.#fleet.start(["send", "x", "work", "--to", "worker", "--idempotency-key", key], { as: "boss" });
    return this.#idOfKey(key);
  }

  /** The id that fleetd derives from the key, read from the sender's own outbox as soon as it is there. */
  #idOfKey(key: string): string {
    const outbox = new Database(join(this.#fleet.root, "boss", "state.db"), { readonly: true });
    const wanted = `"idempotency_key":"${key}"`;
    const sql = "SELECT id FROM outbox WHERE instr(draft, ?) > 0";
    let found = "";
    this.#spin(() => {
      found = outbox.query<{ id: string }, [string]>(sql).get(wanted)?.id ?? "";
      return found !== "";
    });
    outbox.close();
    return found;
  }

  #isAt(step: Step, id: string, before: string): boolean {
    if (step === "before the journal row") return this.#remoteTip() !== before;
    // A step that was over before anybody looked will not come again.
    return STEPS.indexOf(this.#stepOf(id)) >= STEPS.indexOf(step);
  }

  #stepOf(id: string): Step {
    const row = this.#row(id);
    if (row === null) return "before the journal row";
    if (row.state === "queued") return "queued";
    if (row.state === "done") return this.#isPushed(id) ? "pushed" : "done, not pushed";
    const { began, ended } = this.#marks(id);
    if (ended) return "ended, not written down";
    if (began) return "running";
    return row.pid === null ? "started, no process noted" : "process noted, no sign of it";
  }

  #isSettled(id: string): boolean {
    const state = this.#row(id)?.state;
    return state === "parked" || (state === "done" && this.#isPushed(id));
  }

  #row(id: string): RunRow | null {
    const sql = "SELECT state, pid FROM runs WHERE message_id = ?";
    return this.#journal?.query<RunRow, [string]>(sql).get(id) ?? null;
  }

  /** Whether the remote confirmed everything that the worker has to say. */
  #isPushed(id: string): boolean {
    const reply = this.#journal
      ?.query<{ state: string }, [string]>(
        "SELECT outbox.state AS state FROM runs JOIN outbox ON outbox.id = runs.reply_id WHERE message_id = ?",
      )
      .get(id);
    const waiting = this.#journal?.query("SELECT 1 FROM outbox WHERE state <> 'pushed' LIMIT 1").get();
    return reply?.state === "pushed" && waiting === null;
  }

  /** What the handler wrote about one message. */
  #marks(id: string): { began: boolean; ended: boolean; pids: number[] } {
    const read = (path: string): string[][] =>
      existsSync(path)
        ? readFileSync(path, "utf8")
            .split("\n")
            .map((line) => line.split(" "))
            .filter(([one]) => one === id)
        : [];
    const pids = read(this.#file).map(([, , pid]) => Number(pid));
    const ends = read(`${this.#file}.ends`).length;
    return { began: pids.length > ends, ended: ends > 0 && ends === pids.length, pids };
  }

  #remoteTip(): string {
    const ref = join(this.#fleet.root, "remote.git/refs/fleet/log/boss");
    return existsSync(ref) ? readFileSync(ref, "utf8") : "";
  }

  #log(): Record<string, unknown>[] {
    const { git, root } = this.#fleet;
    const remote = `${root}/remote.git`;
    const commits = git.git(remote, "rev-list", "refs/fleet/log/worker").split("\n");
    return commits
      .flatMap((commit) => git.git(remote, "cat-file", "blob", `${commit}:entries.jsonl`).split("\n"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Looks without a pause: what is waited for may last for less than a millisecond. */
  #spin(condition: () => boolean): void {
    const deadlineMs = performance.now() + WAIT_MS;
    while (!condition())
      if (performance.now() > deadlineMs) throw new Error("What was waited for never came");
  }
}
