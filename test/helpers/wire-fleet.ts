import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pauseAfter } from "./temp-git.ts";

/** The compiled executable that end-to-end tests run. */
export const FLEETD = join(import.meta.dir, "../../dist/fleetd");

/** What a command that has ended left behind. */
export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `fleetd monitor`; `output` is everything it printed so far, both streams together. */
export interface RunningMonitor {
  readonly pid: number;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

const STOP_WITHIN_MS = 10_000;
const POLL_MS = 20;

/** A fleet in a temporary folder: one state root with several servers, on one embedded remote, with a home of its own. */
export class WireFleet {
  readonly folder = mkdtempSync(join(tmpdir(), "fleetd-wire-"));
  readonly root = join(this.folder, "state");
  readonly remote = join(this.root, "remote.git");
  readonly environment: Record<string, string>;
  readonly #monitors = new Set<RunningMonitor>();

  constructor() {
    const home = join(this.folder, "home");
    mkdirSync(home);
    writeFileSync(join(home, ".gitconfig"), "[user]\n\tname = t\n\temail = t@example.invalid\n");
    this.environment = {
      HOME: home,
      PATH: process.env["PATH"] ?? "",
      FLEETD_HOME: this.root,
      XDG_CONFIG_HOME: join(home, ".config"),
      TERM: "xterm",
    };
  }

  /** Runs one command as `server`. */
  async run(server: string, ...words: readonly string[]): Promise<Ran> {
    const child = Bun.spawn([FLEETD, ...words], {
      env: { ...this.environment, FLEETD_SERVER: server },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { exitCode, stdout, stderr };
  }

  /** Runs one command with `--json` that has to end with 0, and returns its answer. */
  async json(server: string, ...words: readonly string[]): Promise<Record<string, unknown>> {
    const [verb = "", ...rest] = words;
    const ran = await this.run(server, verb, "--json", ...rest);
    if (ran.exitCode !== 0)
      throw new Error(`fleetd ${words.join(" ")}: ${ran.exitCode}: ${ran.stderr}${ran.stdout}`);
    return JSON.parse(ran.stdout) as Record<string, unknown>;
  }

  /** Starts the daemon of `server` and waits until it says that it is ready. */
  async startMonitor(server: string, ...words: readonly string[]): Promise<RunningMonitor> {
    const child = Bun.spawn([FLEETD, "monitor", ...words], {
      env: { ...this.environment, FLEETD_SERVER: server },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    let output = "";
    const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const bytes of stream) output += decoder.decode(bytes, { stream: true });
    };
    const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
    const monitor: RunningMonitor = {
      pid: child.pid,
      output: () => output,
      stop: async () => {
        this.#monitors.delete(monitor);
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
        await child.exited;
        clearTimeout(timer);
        await collected;
      },
    };
    this.#monitors.add(monitor);
    await until(() => output.includes("ready"), `monitor of ${server} is ready`);
    return monitor;
  }

  /** Runs plain git on the bare remote. */
  git(args: readonly string[], input: string | Uint8Array = ""): Uint8Array {
    const stdin = typeof input === "string" ? new TextEncoder().encode(input) : input;
    const ran = Bun.spawnSync(["git", "-C", this.remote, ...args], {
      env: this.environment,
      stdin,
    });
    if (ran.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${ran.stderr.toString()}`);
    return ran.stdout;
  }

  /** The output of plain git on the bare remote, trimmed. */
  gitText(...args: readonly string[]): string {
    return new TextDecoder().decode(this.git(args)).trim();
  }

  /** All refs of the fleet on the remote, name to id. */
  refs(): Map<string, string> {
    const lines = this.gitText("for-each-ref", "--format=%(refname) %(objectname)", "refs/fleet/").split(
      "\n",
    );
    return new Map(lines.map((line) => line.split(" ") as [string, string]));
  }

  /** The public key file that `init` wrote for `server`, `"ssh-ed25519 <base64>"`. */
  publicKey(server: string): string {
    const [type, base64] = readFileSync(join(this.root, server, "key.pub"), "utf8").split(" ");
    return `${type} ${base64?.trim()}`;
  }

  /** Removes one file. */
  discard(path: string): void {
    rmSync(path);
  }

  /** Ends what was started and removes the folder. */
  async remove(): Promise<void> {
    await Promise.all([...this.#monitors].map((monitor) => monitor.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until `condition` holds. Throws with `what` when it does not within the time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 60_000,
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const askedMs = performance.now();
    if (await condition()) return;
    if (performance.now() > deadlineMs) throw new Error(`Waited ${withinMs} ms in vain: ${what}`);
    await pauseAfter(askedMs, POLL_MS);
  }
}
