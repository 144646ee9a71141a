import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { seconds } from "./figures.ts";
import { describe as describeAll, judge } from "./fleet-checker.ts";
import { gather, readLogs } from "./fleet-evidence.ts";
import { type CommandResult, FleetSandbox, type Monitor } from "./fleet-sandbox.ts";
import { inParallel } from "./in-parallel.ts";
import { createRandom } from "./random.ts";
import { eventually } from "./temp-git.ts";

const WITHIN_MS = 60_000;

/** How many of each; `clis` are started at once, `ids` servers have a daemon each. */
export interface CrowdPlan {
  readonly daemons: number;
  readonly ids: number;
  readonly clis: number;
  readonly timeoutMs: number;
}

/** Defines the tests of crowds. The seed is `FLEETD_CROWD_SEED`, or drawn; it decides who does what. */
export function defineCrowds(plan: CrowdPlan): void {
  defineDaemonsOfOne(plan);
  defineDaemonsOfMany(plan);
  defineCommands(plan);
}

function defineDaemonsOfOne(plan: CrowdPlan): void {
  test(
    `of ${plan.daemons} daemons of one server at once one runs, the others say which, with 69`,
    async () => {
      const sandbox = new FleetSandbox();
      try {
        await sandbox.init("a");
        const started = Array.from({ length: plan.daemons }, () => sandbox.start("a", ["monitor", "--json"]));
        const ends: CommandResult[] = [];
        for (const one of started) void one.ended.then((end) => ends.push(end));
        expect(await eventually(() => ends.length === plan.daemons - 1, WITHIN_MS)).toBe(true);
        const socket = `${sandbox.filesOf("a").folder}/control.sock`;
        expect(await eventually(() => existsSync(socket), WITHIN_MS)).toBe(true);
        const page = await sandbox.run("a", ["status"]);
        const pid = Number(/monitor\s+pid (\d+)/.exec(page.stdout)?.[1]);
        expect(started.map((one) => one.pid)).toContain(pid);
        for (const end of ends) expect(end.exitCode).toBe(69);
        const named = ends.filter((end) => new RegExp(`\\b${pid}\\b`).test(end.stderr)).length;
        console.log(
          `\n${plan.daemons} daemons of one server: ${ends.length} ended with 69, ${named} of them named pid ${pid}`,
        );
        expect(named).toBe(plan.daemons - 1);
        process.kill(pid, "SIGTERM");
        await Promise.all(started.map((one) => one.ended));
        expect(existsSync(socket)).toBe(false);
        const next = await sandbox.monitor("a");
        await next.stop();
        expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      } finally {
        await sandbox.close();
      }
    },
    plan.timeoutMs,
  );
}

function defineDaemonsOfMany(plan: CrowdPlan): void {
  test(
    `${plan.ids} daemons of as many servers at once answer each other`,
    async () => {
      const startedMs = performance.now();
      const sandbox = new FleetSandbox(
        "auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }\n",
      );
      try {
        const names = Array.from({ length: plan.ids }, (_, number) => `server-${number}`);
        await inParallel(names, 4, (name) => sandbox.init(name));
        await inParallel(names, 4, (name) => sandbox.run(name, ["inbox"]));
        const monitors = await Promise.all(names.map((name) => sandbox.monitor(name)));
        const ask = (name: string, number: number) =>
          sandbox.send(name, {
            to: names[(number + 1) % names.length] ?? "",
            body: `${name}: how are you?`,
            more: ["--timeout", "60"],
          });
        const codes = (await Promise.all(names.map(ask))).map((end) => end.exitCode);
        expect(codes.filter((code) => code !== 0)).toEqual([]);
        const answers = (): number => readLogs(sandbox).filter((entry) => entry.auto).length;
        expect(await eventually(() => answers() === names.length, WITHIN_MS)).toBe(true);
        await Promise.all(monitors.map((monitor: Monitor) => monitor.stop()));
        console.log(
          `\n${plan.ids} daemons of as many servers: all answered in ${seconds(performance.now() - startedMs)}`,
        );
        expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      } finally {
        await sandbox.close();
      }
    },
    plan.timeoutMs,
  );
}

function defineCommands(plan: CrowdPlan): void {
  const seed = Number(process.env["FLEETD_CROWD_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  test.each([["with a daemon"], ["without a daemon"]])(
    `${plan.clis} commands of one server at once, %s, all answer rightly`,
    async (how) => {
      const sandbox = new FleetSandbox();
      const startedMs = performance.now();
      try {
        for (const server of ["a", "b"]) await sandbox.init(server);
        await sandbox.run("a", ["inbox"]);
        const first = await sandbox.send("b", { to: "a" });
        const { id } = JSON.parse(first.stdout) as { id: string };
        await sandbox.run("a", ["inbox"]);
        const monitor = how === "with a daemon" ? await sandbox.monitor("a") : null;
        const random = createRandom(seed);
        const kinds = ["send", "send", "send", "inbox", "read", "ack", "status", "queue"] as const;
        const started = Array.from({ length: plan.clis }, async (_, number) => {
          const kind = kinds[number < kinds.length ? number : Math.floor(random() * kinds.length)] ?? "send";
          return { kind, end: await runOne(sandbox, kind, id) };
        });
        const ended = await Promise.all(started);
        const wrong = ended.filter(
          ({ kind, end }) => end.exitCode !== 0 && !(kind === "send" && end.exitCode === 75),
        );
        expect(wrong).toEqual([]);
        console.log(
          `\n${plan.clis} commands at once ${how}: ${[
            ...Map.groupBy(ended, ({ kind, end }) => `${kind} ${end.exitCode}`),
          ]
            .map(([name, all]) => `${name} x ${all.length}`)
            .join(", ")} in ${seconds(performance.now() - startedMs)}, FLEETD_CROWD_SEED=${seed}`,
        );
        const last = await sandbox.send("a", { to: "b", more: ["--timeout", "60"] });
        expect(last.exitCode).toBe(0);
        await monitor?.stop();
        expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      } finally {
        await sandbox.close();
      }
    },
    plan.timeoutMs,
  );
}

function runOne(sandbox: FleetSandbox, kind: string, id: string): Promise<CommandResult> {
  switch (kind) {
    case "send":
      return sandbox.send("a", { to: "b" });
    case "read":
    case "ack":
      return sandbox.run("a", [kind, id]);
    case "queue":
      return sandbox.run("a", ["queue", "list"]);
    default:
      return sandbox.run("a", [kind]);
  }
}
