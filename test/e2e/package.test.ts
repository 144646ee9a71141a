import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FACES } from "../../scripts/build/package.ts";
import { Programs } from "../helpers/program.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

const ROOT = join(import.meta.dir, "../..");
const npm = Bun.which("npm");
const node = Bun.which("node");
const missing = npm === null || node === null ? "npm and node are not here" : null;
if (missing !== null) console.log(`skipped: the library from npm pack (${missing})`);

const folder = mkdtempSync(join(tmpdir(), "fleetd-package-"));
const project = join(folder, "project");
const fleet = new TempFleet();
const programs = new Programs();
afterAll(async () => {
  await programs.end();
  rmSync(folder, { recursive: true, force: true });
  await fleet.remove();
});

/** Runs a program with a fresh home, without the network's help. @throws unless it ends with 0 */
async function run(words: readonly string[], cwd: string): Promise<string> {
  const env = {
    HOME: join(folder, "home"),
    PATH: process.env["PATH"],
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
  };
  const child = Bun.spawn([...words], { cwd, env, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((one) => new Response(one).text()),
  );
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")} failed: ${stderr}${stdout}`);
  return stdout ?? "";
}

async function runScript(runtime: string, script: string): Promise<unknown> {
  const file = join(project, "script.mjs");
  writeFileSync(file, script);
  return JSON.parse(await run([runtime, file], project));
}

describe.skipIf(missing !== null)("the library from npm pack", () => {
  beforeAll(async () => {
    mkdirSync(join(folder, "home"));
    mkdirSync(project);
    await run([process.execPath, "scripts/build.ts", "--package"], ROOT);
    await run(["npm", "pack", "--ignore-scripts", "--pack-destination", folder], ROOT);
    const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    writeFileSync(join(project, "package.json"), '{"name":"stranger","type":"module","private":true}');
    await run(
      ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, tarball)],
      project,
    );
  }, 120_000);

  test("holds what was built and the papers, and brings no other package", () => {
    const installed = readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."));
    expect(installed).toEqual(["fleetd"]);
    expect(readdirSync(join(project, "node_modules/fleetd")).sort()).toEqual([
      "LICENSE",
      "README.md",
      "dist",
      "package.json",
    ]);
  });

  const SCRIPT = `
    import { metrics, Metrics } from "fleetd/metrics";
    for (let index = 1; index <= 100; index += 1) metrics.recordOperation("job", index, { success: index > 10 });
    metrics.increment("messages_sent", 3);
    const old = new Metrics({ now: () => Date.now() - 5 * 3_600_000 });
    console.log(JSON.stringify({ ...metrics.getSummary(1), empty: old.getSummary().count }));`;

  test.each([["node"], [process.execPath]])("records and summarises in %s", async (runtime) => {
    expect(await runScript(runtime, SCRIPT)).toMatchObject({
      count: 100,
      success_rate: 90,
      avg_ms: 50.5,
      p50_ms: 50,
      p95_ms: 95,
      p99_ms: 99,
      operations: { job: { count: 100, max_ms: 100 } },
      counters: { messages_sent: 3, errors: 0 },
      empty: 0,
    });
  });

  test("reads what a server did, as fleetd metrics does", async () => {
    await fleet.init(["code1", "code2"]);
    await fleet.json(["send", "hello", "--to", "code2", "--server", "code1"]);
    const script = `
      import { getServerSummary } from "fleetd/metrics";
      const answer = await getServerSummary(${JSON.stringify(`${fleet.root}/code1`)}, 2).catch((thrown) => ({ code: thrown.code }));
      console.log(JSON.stringify(answer));`;
    const { counters } = (await fleet.json(["metrics", "--hours", "2"], { as: "code1" })) as {
      counters: object;
    };
    expect(counters).toMatchObject({ messages_sent: 1 });
    expect(await runScript(process.execPath, script)).toMatchObject({ period_hours: 2, counters });
    // A Node without SQLite says so; one that has it answers the same.
    const hasSqlite = (
      await run(["node", "-p", "!!process.getBuiltinModule?.('node:sqlite')"], project)
    ).trim();
    const expected = hasSqlite === "true" ? { period_hours: 2, counters } : { code: "UNAVAILABLE" };
    expect(await runScript("node", script)).toMatchObject(expected);
  });

  test("a server that is not there is an error with a code", async () => {
    const script = `
      import { getServerSummary } from "fleetd/metrics";
      await getServerSummary("/nowhere").catch((thrown) => console.log(JSON.stringify(thrown.code)));`;
    expect(await runScript(process.execPath, script)).toBe("IO");
  });

  test.each([["node"], [process.execPath]])(
    "lets one of 30 starters in %s be the first, and the next one as soon as it was killed",
    async (runtime) => {
      const file = join(project, "starter.mjs");
      writeFileSync(
        file,
        `import { enforceSingleInstance, getProcessManager } from "fleetd/process";
         getProcessManager({ folder: ${JSON.stringify(join(folder, "instances"))}, name: ${JSON.stringify(runtime)} });
         const told = (argv, cwd, pid) => console.log(JSON.stringify({ argv, cwd, pid }));
         const isFirst = await enforceSingleInstance(told);
         console.log(isFirst ? "first" : "second");
         if (isFirst) setInterval(() => undefined, 1_000);`,
      );
      const start = (...words: string[]) => programs.start([runtime, file, ...words], { cwd: project });
      const starters = Array.from({ length: 30 }, () => start());
      // The first may have been told of others before it says that it is one.
      const saidOf = async (one: (typeof starters)[number]): Promise<string> => {
        for (;;) {
          const line = await one.line();
          if (!line.startsWith("{")) return line;
        }
      };
      const said = await Promise.all(starters.map(saidOf));
      expect(said.toSorted()).toEqual(["first", ...Array<string>(29).fill("second")]);
      const first = starters[said.indexOf("first")];
      first?.kill("SIGKILL");
      await first?.ended();
      const next = start();
      expect(await next.line()).toBe("first");
      const second = start("--open", "a b");
      expect(await second.ended()).toMatchObject({ code: 0, stdout: "second\n" });
      expect(JSON.parse(await next.line())).toEqual({
        argv: ["--open", "a b"],
        cwd: project,
        pid: second.pid,
      });
    },
    120_000,
  );

  test.each([["node"], [process.execPath]])(
    "finds and frees ports, and ends in order, in %s",
    async (runtime) => {
      const script = `
        import { spawn } from "node:child_process";
        import { once } from "node:events";
        import { createServer } from "node:net";
        import * as face from "fleetd/process";
        const errors = [];
        face.getProcessManager({ folder: ${JSON.stringify(join(folder, "instances"))}, onError: (context) => errors.push(context) });
        const own = createServer().listen(0, "::1");
        await once(own, "listening");
        const { port } = own.address();
        const holds = 'require("net").createServer().listen(0,"127.0.0.2",function(){console.log(this.address().port)})';
        const child = spawn("node", ["-e", holds], { stdio: ["ignore", "pipe", "inherit"] });
        const held = Number(String((await once(child.stdout, "data"))[0]));
        face.registerManagedPort(held, "child");
        const before = await face.getProcessStatus();
        const ownKilled = await face.killProcessOnPort(port, { force: true });
        const freed = await face.cleanupOnStartup();
        face.registerShutdownHandlers();
        face.onShutdown(() => new Promise((resolve) => setTimeout(resolve, 20)));
        face.onShutdown((reason) => console.log(JSON.stringify({
          isOwn: found.pid === process.pid, inUse: before.managedPorts, held, ownKilled, freed, errors, port, reason })));
        const found = await face.findProcessByPort(port);
        own.close();`;
      const answer = (await runScript(runtime, script)) as Record<string, unknown>;
      const { held, port } = answer;
      expect(answer).toMatchObject({
        isOwn: true,
        inUse: [{ port: held, name: "child", inUse: true }],
        ownKilled: false,
        freed: [{ port: held, name: "child", outcome: "killed" }],
        errors: [`freeing port ${port}`],
        reason: "exit",
      });
    },
    60_000,
  );

  test.each([["bundler"], ["nodenext"]])(
    "has types, with %s resolution",
    async (resolution) => {
      const source = Object.keys(FACES).map(
        (face, index) => `import * as face${index} from "fleetd/${face}"; void face${index};`,
      );
      writeFileSync(
        join(project, "typed.ts"),
        `${source.join("\n")}
       import { metrics } from "fleetd/metrics";
       const rate: number | null = metrics.getSummary(1).operations["x"]?.success_rate ?? null;
       // @ts-expect-error: no such counter
       metrics.increment("nothing");
       export default rate;`,
      );
      const module = resolution === "nodenext" ? "nodenext" : "esnext";
      // The libraries of TypeScript itself are not what is tested, and take most of the time.
      const checks = ["--noEmit", "--strict", "--skipDefaultLibCheck"];
      const options = [...checks, "--module", module, "--moduleResolution", resolution];
      const words = [process.execPath, join(ROOT, "node_modules/typescript/bin/tsc"), ...options];
      expect(await run([...words, "--target", "es2023", "typed.ts"], project)).toBe("");
    },
    60_000,
  );
});
