/** Services under random faults for as long as somebody has time, each fault noted and each command's answer judged. */
import { percentile, seconds } from "./figures.ts";
import { freePort } from "./free-port.ts";
import type { ListedService, ServiceFleet } from "./service-fleet.ts";
import { SOAK_SUPERVISOR, type SoakPorts, soakServices } from "./soak-services.ts";
import { SoakWatch } from "./soak-watch.ts";
import type { Ran } from "./temp-fleet.ts";

/** How long, how often; ms. */
export interface SoakOptions {
  readonly durationMs: number;
  readonly sampleMs: number;
  readonly faultEveryMs: number;
  /** How often the daemon dies in the first and the last seventh; between them one daemon lives through. */
  readonly killEveryMs: number;
  readonly random: () => number;
  /** Where every sample is noted. */
  readonly file?: string | undefined;
}

/** What a person gives to be waited for. */
const COMMAND_TIMEOUT = "60s";
/** Done, or the service itself did not come up, or not in time. */
const USUAL_CODES = new Set([0, 1, 2, 75]);
/** The daemon gets so long to answer; on a machine that is too busy a command then says that there is none. */
const UNANSWERED_CODE = 69;
const UNANSWERED_MS = 9_500;
/** Whoever waits for longer than this wants to know for what. */
const LONG_MS = 15_000;
const STOPPED_MS = [2_000, 7_000] as const;

/** See the head of this file. */
export class ServiceSoak {
  readonly watch: SoakWatch;
  /** How often each fault was injected. */
  readonly injected = new Map<string, number>();
  readonly adoptions = { asked: 0, kept: 0 };
  readonly commandMs: number[] = [];
  /** Commands that the daemon did not answer within 10 s. */
  unanswered = 0;
  /** Commands that took long: what was asked, for how long, and what came of it. */
  readonly slow: string[] = [];
  readonly #fleet: ServiceFleet;
  readonly #options: SoakOptions;
  readonly #stopped = new Map<number, number>();
  #ports: SoakPorts = { web: 0 };
  #version = 0;
  #isOver = false;

  constructor(fleet: ServiceFleet, options: SoakOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.watch = new SoakWatch(fleet, options.file);
  }

  /** Runs it all, and ends with everything stopped. */
  async run(): Promise<void> {
    const { durationMs } = this.#options;
    this.#ports = { web: await freePort() };
    this.#configure();
    await this.#begin();
    const beganMs = performance.now();
    const sampling = this.#sample();
    try {
      let killedMs = beganMs;
      for (let now = beganMs; now - beganMs < durationMs; now = performance.now()) {
        const share = (now - beganMs) / durationMs;
        const isTimeOfKills = share < 1 / 7 || share > 6 / 7;
        if (isTimeOfKills && now - killedMs > this.#options.killEveryMs * (0.5 + this.#options.random())) {
          await this.#killDaemon();
          killedMs = performance.now();
        } else await this.#fault();
        this.#goOn(false);
        await Bun.sleep(this.#options.faultEveryMs * 2 * this.#options.random());
      }
      this.#goOn(true);
      const unanswered = this.unanswered;
      await this.#command("stop --all", ["stop", "--all"]);
      if (this.unanswered > unanswered) this.watch.fault("stop --all was not answered");
    } finally {
      this.#isOver = true;
      await sampling;
    }
  }

  #configure(): void {
    this.#fleet.configure(soakServices(this.#fleet, this.#ports, this.#version), SOAK_SUPERVISOR);
  }

  async #begin(): Promise<void> {
    const { pid } = await this.#fleet.monitor();
    this.watch.begin(pid);
  }

  async #sample(): Promise<void> {
    while (!this.#isOver) {
      this.watch.look(await this.#services());
      await Bun.sleep(this.#options.sampleMs);
    }
  }

  /** What is listed; null while no daemon is there. */
  async #services(): Promise<readonly ListedService[] | null> {
    const { code, stdout } = await this.#fleet.run(["list", "--json"]);
    return code === 0 ? (JSON.parse(stdout) as { services: ListedService[] }).services : null;
  }

  async #fault(): Promise<void> {
    const faults: readonly (() => Promise<void>)[] = [
      () => this.#killProcess(),
      () => this.#killProcess(),
      () => this.#stopProcess(),
      () => this.#person("stop"),
      () => this.#person("start"),
      () => this.#person("start"),
      () => this.#person("restart"),
      () => this.#command("restart --zero-downtime", ["restart", "swaps", "--zero-downtime"], ["swaps"]),
      () => this.#reload(),
      () => this.#burst(),
    ];
    await this.#pick(faults)?.();
  }

  /** Ends some process of some service, seldom its first one. */
  async #killProcess(): Promise<void> {
    const victim = this.#pick(this.#fleet.processes());
    if (victim === undefined) return;
    this.#count("kill -9 of a process of a service");
    signal(victim.pid, "SIGKILL");
    await Promise.resolve();
  }

  async #stopProcess(): Promise<void> {
    const victim = this.#pick((await this.#services())?.flatMap(({ pid }) => pid ?? []) ?? []);
    if (victim === undefined || this.#stopped.has(victim)) return;
    this.#count("SIGSTOP and SIGCONT of a service");
    signal(victim, "SIGSTOP");
    const [least, most] = STOPPED_MS;
    this.#stopped.set(victim, performance.now() + least + (most - least) * this.#options.random());
  }

  /** What was halted goes on when its time is over, or at once. */
  #goOn(atOnce: boolean): void {
    for (const [pid, untilMs] of this.#stopped) {
      if (!atOnce && performance.now() < untilMs) continue;
      signal(pid, "SIGCONT");
      this.#stopped.delete(pid);
    }
  }

  async #person(verb: "start" | "stop" | "restart"): Promise<void> {
    const names = Object.keys(soakServices(this.#fleet, this.#ports, this.#version));
    const name = this.#pick(names) ?? "web";
    // One that a person stopped is as likely the next to be started as all others together.
    const target = verb === "start" ? (this.#pick([...this.watch.still]) ?? name) : name;
    await this.#command(verb, [verb, target], [target]);
  }

  async #reload(): Promise<void> {
    this.watch.still.delete(`extra-${this.#version}`);
    this.#version += 1;
    this.#configure();
    await this.#command("reload of another configuration", ["reload"]);
  }

  async #burst(): Promise<void> {
    await this.#command("burst of 20 MB", ["kill", "bursts", "--signal", "USR1"]);
  }

  /** Runs a command and judges its exit code; `names`: the services it is about. */
  async #command(what: string, words: readonly string[], names: readonly string[] = []): Promise<void> {
    this.#count(what);
    const [verb = ""] = words;
    const isStop = verb === "stop";
    if (!isStop) {
      // A start of one starts what it needs.
      for (const name of names.includes("app") ? ["db", ...names] : names) this.watch.still.delete(name);
    }
    const waits = verb === "kill" || verb === "reload" ? [] : ["--timeout", COMMAND_TIMEOUT];
    const ran = await this.#fleet.run([...words, ...waits]);
    this.commandMs.push(ran.durationMs);
    this.#judge(words.join(" "), ran, isStop);
    if (isStop && ran.code === 0) for (const name of names) this.watch.still.add(name);
  }

  /** What a stop answers is done; other commands may tell of a service that does not come up. */
  #judge(words: string, { code, durationMs, stdout, stderr }: Ran, isStop: boolean): void {
    if (durationMs > LONG_MS) {
      this.slow.push(`${words}: ${seconds(durationMs)}, exit ${code}, ${JSON.stringify(stderr + stdout)}`);
    }
    const isUnanswered = code === UNANSWERED_CODE && durationMs > UNANSWERED_MS;
    if (isUnanswered) this.unanswered += 1;
    else if (isStop ? code !== 0 : !USUAL_CODES.has(code)) {
      this.watch.fault(`${words} ended with ${code}: ${stderr}${stdout}`);
    }
  }

  /** Ends the daemon, has the next one begin, and sees whether what ran still runs. */
  async #killDaemon(): Promise<void> {
    this.#count("kill -9 of the daemon");
    const before = (await this.#services()) ?? [];
    await this.#fleet.killMonitor();
    await this.#begin();
    const after = new Map(((await this.#services()) ?? []).map((one) => [one.name, one]));
    const alive = new Set(this.#fleet.processes().map(({ pid }) => pid));
    for (const { name, pid, state } of before) {
      if (pid === null || state !== "running" || !alive.has(pid)) continue;
      this.adoptions.asked += 1;
      const now = after.get(name);
      if (now?.pid === pid || now?.state === "stopping") this.adoptions.kept += 1;
      else this.watch.fault(`${name} was ${pid}, which lives, and is listed as ${JSON.stringify(now)}`);
    }
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#options.random() * from.length)];
  }

  #count(what: string): void {
    this.injected.set(what, (this.injected.get(what) ?? 0) + 1);
  }

  /** How long commands took, ms. */
  commandPercentile(share: number): number {
    return percentile(this.commandMs, share);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
