// The suite of hostile pushes, short for every commit and long for the long run.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { keyFromSeed } from "./batch-tools.ts";
import { Figures, seconds } from "./figures.ts";
import { HostileRemote } from "./hostile-remote.ts";
import { Traps } from "./hostile-words.ts";
import { HonestWriter, Stranger } from "./poison-fleet.ts";
import { createRandom } from "./random.ts";
import { type Ran, type Running, TempFleet } from "./temp-fleet.ts";

/** How many rounds of how many hostile pushes; after each, honest servers speak. */
export interface PoisonPlan {
  readonly rounds: number;
  readonly strikes: number;
  readonly timeoutMs: number;
}

const SEED = Number(process.env["FLEETD_POISON_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const WAIT_MS = 60_000;
/** Some times what a reader of the honest part needs (70 MiB); bodies of 10 MB that are kept would be seen. */
const RESIDENT_KIB_MAX = 600 * 1024;

/** A daemon (alpha), a server that sends (beta), one that only looks (gamma), and one made by hand (honest). */
class PoisonRun {
  readonly fleet = new TempFleet();
  readonly traps = new Traps(`${this.fleet.git.folder}/deep/er/traps`);
  readonly remoteFolder = `${this.fleet.root}/remote.git`;
  readonly sent = new Map<string, readonly string[]>();
  readonly #inside = {
    cwd: this.traps.folder,
    env: { PATH: `${this.traps.programs}:${this.fleet.environment["PATH"]}` },
  };
  monitor!: Running;
  honest!: HonestWriter;
  stranger!: Stranger;

  async start(): Promise<void> {
    await this.fleet.init(["alpha", "beta", "gamma"]);
    for (const server of ["alpha", "gamma"]) this.traps.plantHooks(`${this.fleet.root}/${server}/fleet.git`);
    const meta = this.fleet.git.git(this.remoteFolder, "show", "refs/fleet/meta:meta.json");
    const remote = new HostileRemote(this.remoteFolder);
    const key = await keyFromSeed((index) => index + 7);
    const { fleet } = JSON.parse(meta) as { fleet: string };
    this.honest = new HonestWriter(remote, "honest", { key, fleet });
    this.stranger = new Stranger(remote, this.honest, createRandom(SEED));
    this.sent.set("honest", this.honest.bodies);
    await this.honest.join();
    this.monitor = await this.fleet.monitor("alpha", ["--interval", "1"], this.#inside);
  }

  run(server: string, ...words: string[]): Promise<Ran> {
    return this.fleet.run(words, { as: server, ...this.#inside });
  }

  json(server: string, ...words: string[]): Promise<Record<string, unknown>> {
    return this.fleet.json(words, { as: server, ...this.#inside });
  }

  /** Some hostile pushes, honest ones among them, and one of a server that pushes with git. */
  async round(number: number, strikes: number): Promise<void> {
    for (let strike = 0; strike < strikes; strike += 1) {
      await this.stranger.strike();
      if (strike % 5 === 4) await this.honest.say("all", `honest ${number}.${strike}`);
    }
    const body = `beta ${number}`;
    this.sent.set("beta", [...(this.sent.get("beta") ?? []), body]);
    const told = await this.json("beta", "send", body, "--to", "all", "--timeout", "60s");
    expect(told["state"]).toBe("pushed");
  }

  /** Waits until the daemon has all that honest servers said, and expects it in their order, each once. */
  async expectArrival(): Promise<void> {
    for (const [from, said] of this.sent) {
      const deadlineMs = performance.now() + WAIT_MS;
      let there = await this.#bodiesOf("alpha", from, "--offline");
      while (there.length < said.length && performance.now() < deadlineMs) {
        await Bun.sleep(50);
        there = await this.#bodiesOf("alpha", from, "--offline");
      }
      if (there.length < said.length) console.log(`the monitor said: ${this.monitor.stdout().slice(-1500)}`);
      expect([from, there]).toEqual([from, said]);
    }
  }

  /** The same of a server that looks now. */
  async expectPlainLook(): Promise<void> {
    for (const [from, said] of this.sent) {
      expect([from, await this.#bodiesOf("gamma", from)]).toEqual([from, said]);
    }
  }

  /** What `server` has of `from`, in the order of arrival. */
  async #bodiesOf(server: string, from: string, ...more: string[]): Promise<readonly string[]> {
    const answer = await this.json(server, "inbox", "--from", from, "--limit", "100000", ...more);
    return (answer["messages"] as { body: string }[]).map(({ body }) => body).toReversed();
  }
}

/** Defines the tests; see `PoisonPlan`. */
export function definePoisonTests(plan: PoisonPlan): void {
  const run = new PoisonRun();
  const figures = new Figures(`poison: hostile pushes, FLEETD_POISON_SEED=${SEED}`);
  beforeAll(() => run.start(), plan.timeoutMs);
  afterAll(async () => {
    figures.print();
    await run.fleet.remove();
  }, plan.timeoutMs);

  test(
    "of strangers keep no honest message away, from a daemon or from a plain look",
    async () => {
      const startedMs = performance.now();
      for (let round = 0; round < plan.rounds; round += 1) {
        await run.round(round, plan.strikes);
        await run.expectArrival();
      }
      await run.expectPlainLook();
      figures.add("hostile pushes", run.stranger.deeds.length);
      figures.add("honest messages", [...run.sent.values()].flat().length);
      figures.add("time", seconds(performance.now() - startedMs));
    },
    plan.timeoutMs,
  );

  test(
    "are quarantined with their reasons, and nothing else comes of them",
    async () => {
      const { stdout } = await run.run("alpha", "doctor", "--json");
      expect(stdout).toContain("quarantined");
      expect(stdout).not.toMatch(/[\p{Cc}--[\n]]|[\u202A-\u202E]/v);
      expect(run.traps.caught()).toEqual([]);
      expect(run.monitor.stdout() + run.monitor.stderr()).not.toMatch(/This is a bug|^\s+at .+:\d+/m);
      // Nobody was answered: what asks for a status here was signed by no member.
      const log = run.fleet.git.git(run.remoteFolder, "log", "--format=%s", "refs/fleet/log/alpha");
      expect(log).not.toMatch(/alpha → (?:honest|rogue)/);
      const status = await run.json("alpha", "status");
      expect((status["monitor"] as { pid: number }).pid).toBe(run.monitor.pid);
      figures.add("quarantined", (stdout.match(/quarantined/g) ?? []).length);
      if (process.platform !== "linux") return;
      const facts = readFileSync(`/proc/${run.monitor.pid}/status`, "utf8");
      const kib = Number(/^VmHWM:\s+(\d+)/m.exec(facts)?.[1]);
      figures.add("memory of the monitor at most", `${Math.round(kib / 1024)} MiB`);
      expect(kib).toBeLessThan(RESIDENT_KIB_MAX);
    },
    plan.timeoutMs,
  );

  test(
    "are survived also where the remote itself is damaged: refs that name nothing keep no message away",
    async () => {
      run.stranger.breakRefs();
      await run.honest.say("all", "after the damage");
      await run.expectArrival();
      await run.expectPlainLook();
      expect(run.traps.caught()).toEqual([]);
    },
    plan.timeoutMs,
  );
}
