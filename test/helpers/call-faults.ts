/**
 * Lets single system calls of fleetd fail, by strace: an operation is traced once, then repeated with one of its calls
 * answered by an error. Only calls on the fleet's own files are chosen; what the runtime does for itself is not fleetd's.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { judge, type Violation } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "./fleet-sandbox.ts";
import { createRandom } from "./random.ts";
import { eventually } from "./temp-git.ts";

/** The calls by which files are opened, written and brought to the disk. */
const CALLS = ["openat", "write", "pwrite64", "fsync"] as const;
const ERRORS = ["EIO", "ENOSPC", "EMFILE"] as const;

export const OPERATIONS = ["send", "receive", "monitor"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** One call of an operation: the `number`-th of its name. */
export interface Call {
  readonly name: string;
  readonly number: number;
}

/** What was done and seen. */
export interface FaultCounts {
  runs: number;
  /** Faults that met a file of the fleet. */
  injected: number;
  /** How operations ended, exit codes and how often. */
  readonly ends: Map<string, number>;
  readonly faults: string[];
}

/** Why this cannot be done here, or null where it can. */
export const whyNoTrace = (): string | null =>
  Bun.which("strace") === null ? "strace is missing" : process.platform === "linux" ? null : "it is Linux";

/** Chosen, far above the slowest seen; a loop that failed pauses for 5 s. */
const WITHIN_MS = 40_000;
/** Budgets out of the way: a daemon shows that it goes on by answering, in as many runs as there are calls. */
const SETTINGS = "interval: 300ms\nauto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }\n";

export class CallFaults {
  readonly sandbox = new FleetSandbox(SETTINGS);
  readonly counts: FaultCounts = { runs: 0, injected: 0, ends: new Map(), faults: [] };
  readonly #random: () => number;
  #traces = 0;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  /** Makes two servers, of which the first has sent something. */
  async open(): Promise<void> {
    for (const server of ["a", "b"]) await this.sandbox.init(server);
    await this.sandbox.send("a", { to: "b" });
  }

  close(): Promise<void> {
    return this.sandbox.close();
  }

  /** The calls of one clean run of `operation` on files of the fleet. */
  async callsOf(operation: Operation): Promise<Call[]> {
    const lines = await this.#traced(operation, []);
    return CALLS.flatMap((name) =>
      lines
        .filter((line) => line.startsWith(`${name}(`))
        .flatMap((line, place) => (this.#isOurs(line) ? [{ name, number: place + 1 }] : [])),
    );
  }

  /** Some of these calls, at random; all of them where there are not more. */
  choose(calls: readonly Call[], count: number): Call[] {
    const left = [...calls];
    const chosen: Call[] = [];
    while (chosen.length < count && left.length > 0) {
      chosen.push(...left.splice(Math.floor(this.#random() * left.length), 1));
    }
    return chosen;
  }

  /** Repeats `operation` while one call fails. */
  async inject(operation: Operation, { name, number }: Call): Promise<void> {
    const error = name === "openat" ? this.#pick(ERRORS) : this.#pick(ERRORS.slice(0, 2));
    const words = ["-e", `inject=${name}:error=${error}:when=${number}`];
    const place = `${operation}, ${error} at ${name} ${number}`;
    const before = this.counts.faults.length;
    const lines = await this.#traced(operation, words);
    this.counts.runs += 1;
    const hit = lines.find((line) => line.includes("(INJECTED)"));
    const isHit = hit !== undefined && this.#isOurs(hit);
    if (isHit) this.counts.injected += 1;
    // Another run may make its calls in another order; what then met the runtime is not judged.
    const found = this.counts.faults.splice(before);
    if (isHit) this.counts.faults.push(...found.map((fault) => `${place}: ${fault}`));
  }

  /** Nothing is repaired by hand: both send, a daemon takes in what there is, and the judge looks at all of it. */
  async judge(): Promise<Violation[]> {
    const { sandbox } = this;
    for (const server of ["a", "b"]) {
      const sent = await sandbox.send(server, { to: server === "a" ? "b" : "a" });
      if (sent.exitCode !== 0)
        this.counts.faults.push(`a send afterwards: ${sent.exitCode} ${sent.stderr}${sent.stdout}`);
    }
    for (const server of ["a", "b"]) {
      const monitor = await sandbox.monitor(server);
      await eventually(() => countUnsent(sandbox, server) === 0, WITHIN_MS);
      await monitor.stop();
    }
    return judge(sandbox.sends, await gather(sandbox));
  }

  /** The traced calls of the main thread of one run, names and paths. */
  async #traced(operation: Operation, words: readonly string[]): Promise<string[]> {
    this.#traces += 1;
    const log = join(this.sandbox.folder, `trace-${this.#traces}`);
    // As a grandchild (-D), so that the command is our own child and ends as it ends.
    const strace = ["strace", "-D", "-y", "-q", "-o", log, "-e", `trace=${CALLS.join(",")}`, ...words];
    await this.#run(operation, strace);
    const hasEnded = (): boolean => existsSync(log) && /\+\+\+ /.test(readFileSync(log, "utf8"));
    await eventually(hasEnded, WITHIN_MS);
    const lines = readFileSync(log, "utf8").split("\n");
    rmSync(log);
    return lines;
  }

  async #run(operation: Operation, strace: readonly string[]): Promise<void> {
    switch (operation) {
      case "send":
        return this.#check(await this.#sendUnder(strace), [0, 74, 75]);
      case "receive": {
        await this.sandbox.send("a", { to: "b" });
        return this.#check(
          await this.#under(strace, () => this.sandbox.start("b", ["inbox"]).ended),
          [0, 74],
        );
      }
      case "monitor":
        return await this.#monitor(strace);
    }
  }

  #sendUnder(strace: readonly string[]): Promise<CommandResult> {
    return this.#under(strace, () => this.sandbox.startSend("a", { to: "b" }).ended);
  }

  /** A daemon ends with 74 and says why, or it stays and answers. */
  async #monitor(strace: readonly string[]): Promise<void> {
    const { sandbox } = this;
    const monitor = this.#under(strace, () => sandbox.startMonitor("b"));
    const isReady = (): boolean => monitor.events().some((event) => event["kind"] === "ready");
    const hasPushed = (): boolean => monitor.events().some((event) => Number(event["entries"] ?? 0) > 0);
    await eventually(() => monitor.hasEnded() || isReady(), WITHIN_MS);
    if (!monitor.hasEnded()) {
      const body = `${sandbox.nextBody("a")}, and how are you?`;
      await sandbox.send("a", { to: "b", body });
      const isAnswered = await eventually(() => monitor.hasEnded() || hasPushed(), WITHIN_MS);
      if (!isAnswered) this.counts.faults.push("it stayed and did not go on");
    }
    if (monitor.hasEnded()) this.#check({ exitCode: 74, stdout: "", stderr: monitor.complaints() }, [74]);
    else this.#end("stayed");
    await monitor.stop();
  }

  #under<Result>(wrapper: readonly string[], start: () => Result): Result {
    this.sandbox.wrapper = wrapper;
    const started = start();
    this.sandbox.wrapper = [];
    return started;
  }

  #check(
    { exitCode, stdout, stderr }: Pick<CommandResult, "exitCode" | "stdout" | "stderr">,
    allowed: readonly number[],
  ): void {
    const fault = faultOfEnd({ exitCode, stdout, stderr, folder: this.sandbox.folder }, allowed);
    this.#end(String(exitCode));
    if (fault !== null) this.counts.faults.push(fault);
  }

  #end(how: string): void {
    this.counts.ends.set(how, (this.counts.ends.get(how) ?? 0) + 1);
  }

  /** Whether a call is about a file of the servers or of the remote. */
  #isOurs(line: string): boolean {
    const paths = line.replaceAll(/AT_FDCWD<[^>]*>/g, "");
    return [this.sandbox.serversFolder, this.sandbox.remote].some((folder) => paths.includes(folder));
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }
}

/** What is wrong with how a command ended; null when it said what it is about, and nothing that it should not. */
export function faultOfEnd(
  end: Pick<CommandResult, "exitCode" | "stdout" | "stderr"> & { readonly folder: string },
  allowed: readonly number[],
): string | null {
  const { exitCode, stdout, stderr, folder } = end;
  const words = `exit code ${exitCode}: ${stderr}${stdout}`;
  if (exitCode === null || !allowed.includes(exitCode)) return words;
  if (/^\s+at .*:\d+/m.test(stderr) || /PRIVATE KEY|panic/.test(stdout + stderr))
    return `too much said, ${words}`;
  if (exitCode === 74 && !stderr.includes(folder)) return `nothing named, ${words}`;
  return null;
}

function countUnsent(sandbox: FleetSandbox, server: string): number {
  const state = new Database(sandbox.filesOf(server).state, { readwrite: true });
  try {
    return state.query("SELECT 1 FROM outbox WHERE state <> 'pushed'").all().length;
  } finally {
    state.close();
  }
}
