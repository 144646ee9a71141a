// The Windows executable in Wine: what a person types, services and their jobs, and messages over a real git.
// Two things that Windows has and Wine 8 has not are put in their place: git (it runs outside) and unix sockets.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../scripts/build/compile.ts";
import { TARGETS } from "../../scripts/build/targets.ts";
import { messageOf } from "../../src/base/errors.ts";
import { fail, type Result } from "../../src/base/result.ts";
import { freePort } from "../helpers/free-port.ts";
import { eventually, processesWith, untilHolds } from "../helpers/temp-git.ts";
import { type GitServer, openGitServer } from "../lab/wine/git-server.ts";
import { openWine, type Wine, type WineProgram, type WineRan } from "../lab/wine/wine.ts";

const PATIENCE_MS = 60_000;
const TEST_MS = 4 * PATIENCE_MS;
const LAB = join(import.meta.dir, "../lab/wine");
const TARGET = TARGETS["windows-x64"];
const VERSION = "0.0.7-wine";
const EXECUTABLES = { "service.exe": "service.ts", "git.exe": "git-relay.ts" };

const folder = mkdtempSync(join(tmpdir(), "fleetd-wine-"));
const built = join(folder, "built");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether Bun's program for Windows can be had is known as soon as a small one is built. */
async function prepare(): Promise<Result<Wine>> {
  if (process.env["FLEETD_LONG"] !== "1") return fail("only with FLEETD_LONG=1");
  try {
    for (const [name, source] of Object.entries(EXECUTABLES)) {
      const outFile = join(built, name);
      await compile({ entry: join(LAB, source), outFile, version: VERSION, target: TARGET });
    }
  } catch (thrown) {
    return fail(`nothing can be built for Windows here: ${messageOf(thrown)}`);
  }
  return await openWine(folder);
}

const opened = await prepare();
if (!opened.ok) console.log(`skipped: the Windows executable in Wine: ${opened.error}`);
const notInWine = (what: string): void => console.log(`not run in Wine: ${what}`);

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly last_end: { readonly reason: string; readonly text: string } | null;
}

describe.skipIf(!opened.ok)("fleetd.exe", () => {
  const wine = opened.ok ? opened.value : (undefined as never);
  const mark = crypto.randomUUID();
  const ports = { web: 0, tree: 0 };
  let git: GitServer;
  let monitor: WineProgram;

  const env = (home: string): Record<string, string> => ({
    FLEETD_HOME: `C:\\lab\\${home}`,
    FLEETD_CONFIG: "C:\\lab\\fleetd.yaml",
    BUN_OPTIONS: "--preload=C:\\lab\\tcp-sockets.js",
  });
  const at = (home: string, ...words: string[]): Promise<WineRan> =>
    wine.run(["C:\\lab\\fleetd.exe", ...words], { env: env(home) });
  const run = (...words: string[]): Promise<WineRan> => at("one", ...words);
  const ran = async (code: number, ...words: string[]): Promise<WineRan> => {
    const one = await run(...words);
    if (one.code === code) return one;
    throw new Error(`fleetd ${words.join(" ")} ended with ${one.code}: ${one.stderr}${one.stdout}`);
  };
  const service = async (name: string): Promise<Listed | undefined> => {
    const { services }: { services: Listed[] } = JSON.parse((await ran(0, "list", "--json")).stdout);
    return services.find((one) => one.name === name);
  };
  const become = async (name: string, state: string): Promise<Listed> => {
    let last: Listed | undefined;
    await untilHolds(async () => {
      last = await service(name);
      return last?.state === state;
    }, TEST_MS);
    if (last === undefined) throw new Error(`There is no "${name}"`);
    return last;
  };
  const startMonitor = async (home: string): Promise<WineProgram> => {
    const started = wine.start(["C:\\lab\\fleetd.exe", "monitor", "--json"], { env: env(home) });
    const isReady = await eventually(() => started.stdout().includes('"kind":"ready"'), PATIENCE_MS);
    if (!isReady) throw new Error(`The monitor is not ready: ${started.stdout()}${started.stderr()}`);
    return started;
  };
  /** Processes of this system that are those of a service, by the last of its words. */
  const processes = (word: string): number[] => processesWith(`${mark}-${word}`);
  const areGone = (word: string): Promise<boolean> =>
    eventually(() => processes(word).length === 0, PATIENCE_MS);
  const hasListener = async (port: number): Promise<boolean> => (await run("port", String(port))).code === 0;

  beforeAll(async () => {
    const lab = join(wine.driveC, "lab");
    for (const name of Object.keys(EXECUTABLES)) cpSync(join(built, name), join(lab, name));
    // Commands run in this folder, as in one of somebody else: it says something that no git says.
    cpSync(join(built, "service.exe"), join(folder, "git.exe"));
    cpSync(join(LAB, "tcp-sockets.js"), join(lab, "tcp-sockets.js"));
    const main = join(import.meta.dir, "../../src/main.ts");
    await compile({ entry: main, outFile: join(lab, "fleetd.exe"), version: VERSION, target: TARGET });
    git = await openGitServer(wine.driveC, join(folder, "home"));
    writeFileSync(join(lab, "git-port"), String(git.port));
    for (const name of ["web", "tree"] as const) ports[name] = await freePort();
    const program = (...words: string[]) => ({ command: ["C:\\lab\\service.exe", ...words], enabled: false });
    const settings = {
      interval: "1s",
      supervisor: { stop_timeout: "1s", backoff_first: "200ms" },
      services: {
        web: {
          ...program("serves", String(ports.web), `${mark}-web`),
          probes: { readiness: { tcp: { port: ports.web }, interval: "200ms" } },
        },
        tree: program("tree", String(ports.tree), `${mark}-tree`),
        seven: { ...program("exits", "7"), restart: "no" },
        capped: { ...program("stays", "0", `${mark}-capped`), limits: { cpus: 0.5 }, restart: "no" },
      },
    };
    writeFileSync(join(lab, "fleetd.yaml"), JSON.stringify(settings));
    console.log(
      `the Windows executable runs in ${wine.version}; git and unix sockets are put in their place`,
    );
  }, TEST_MS);

  afterAll(async () => {
    await wine.close();
    git.close();
  }, TEST_MS);

  test(
    "says its version, and refuses what it does not know",
    async () => {
      expect(await run("--version")).toMatchObject({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
      const unknown = await run("list", "--nope");
      expect(unknown).toMatchObject({ code: 64, stdout: "" });
      expect((await run("list")).code).toBe(69);
    },
    TEST_MS,
  );

  test(
    "makes a server with git, not with what is called so in the current folder, and one monitor of it",
    async () => {
      const made = await ran(0, "init", "--server", "code1");
      expect(made.stdout).toContain("C:\\lab\\one\\code1");
      monitor = await startMonitor("one");
      const second = await ran(69, "monitor");
      const { pid } = JSON.parse(monitor.stdout().split("\n")[0] ?? "");
      expect(second.stderr).toContain(`already running (pid ${pid}, since `);
      const isTold = (): boolean => monitor.stdout().includes('"kind":"second-instance"');
      expect(await eventually(isTold, PATIENCE_MS)).toBe(true);
      const { containment } = JSON.parse((await ran(0, "list", "--json")).stdout);
      expect(containment).toBe("job");
    },
    TEST_MS,
  );

  test(
    "starts a service that is ready when its probe says so, with its log and its port",
    async () => {
      await ran(0, "start", "web");
      const { pid } = await become("web", "running");
      expect(processes("web")).toHaveLength(1);
      await ran(0, "port", "wait", String(ports.web));
      const { stdout } = await ran(0, "port", String(ports.web), "--json");
      const { listeners } = JSON.parse(stdout);
      expect(listeners).toMatchObject([{ protocol: "tcp", address: "127.0.0.1", port: ports.web }]);
      if (listeners[0].owners === null) notInWine("who has a port: its table of sockets names no process");
      else expect(listeners[0].owners).toMatchObject([{ pid, name: "service.exe" }]);
      await untilHolds(
        async () => (await run("logs", "web")).stdout.includes(`serves ${ports.web}`),
        PATIENCE_MS,
      );
    },
    TEST_MS,
  );

  test(
    "tells the exit code of a service",
    async () => {
      await run("start", "seven");
      const { last_end: end } = await become("seven", "failed");
      expect(end).toMatchObject({ reason: "code", text: "exit code 7" });
      expect((await run("status", "seven")).stdout).toContain("exit code 7");
    },
    TEST_MS,
  );

  test(
    "starts a service again that somebody ended, and kills it when it is told to",
    async () => {
      const before = await become("web", "running");
      await ran(0, "kill", "--pid", String(before.pid), "--force");
      await untilHolds(async () => (await service("web"))?.restarts === 1, PATIENCE_MS);
      const after = await become("web", "running");
      expect(after.pid).not.toBe(before.pid);
      await ran(0, "kill", "web", "--signal", "KILL");
      await untilHolds(async () => (await service("web"))?.restarts === 2, PATIENCE_MS);
      expect((await become("web", "running")).last_end).toMatchObject({ reason: "signal" });
    },
    TEST_MS,
  );

  test(
    "stops a whole tree, with what detached itself: its job ends it",
    async () => {
      await ran(0, "start", "tree");
      await untilHolds(() => hasListener(ports.tree), PATIENCE_MS);
      expect(processes("tree")).toHaveLength(2);
      const stopped = await ran(0, "stop", "tree");
      expect(stopped.stdout).toContain("tree stopped");
      expect(await areGone("tree")).toBe(true);
      expect(await hasListener(ports.tree)).toBe(false);
    },
    TEST_MS,
  );

  test(
    "leaves services alone when its monitor is killed, and the next one adopts them",
    async () => {
      const before = await become("web", "running");
      const running = processes("web");
      monitor.kill();
      await monitor.ended;
      expect(processes("web")).toEqual(running);
      monitor = await startMonitor("one");
      const after = await become("web", "running");
      expect(after.pid).toBe(before.pid);
      expect(processes("web")).toEqual(running);
      const isAdopted = (): boolean => monitor.stdout().includes('"kind":"adopted"');
      expect(await eventually(isAdopted, PATIENCE_MS)).toBe(true);
      await ran(0, "stop", "web");
      expect(await areGone("web")).toBe(true);
    },
    TEST_MS,
  );

  test(
    "limits processors, or says which call refuses",
    async () => {
      await run("start", "capped");
      await untilHolds(
        async () => ["running", "failed"].includes((await service("capped"))?.state ?? ""),
        PATIENCE_MS,
      );
      const { state, last_end: end } = (await service("capped")) ?? {};
      if (state === "failed") {
        expect(end?.text).toContain("error 87");
        notInWine("the limit of processors: it does not know that call (error 87)");
      } else await ran(0, "stop", "capped");
      expect(await areGone("capped")).toBe(true);
    },
    TEST_MS,
  );

  test(
    "is not replaced in place, and says why",
    async () => {
      const refused = await ran(69, "reexec");
      expect(refused.stderr).toContain("this is win32, Linux is needed");
    },
    TEST_MS,
  );

  test(
    "exchanges messages with another server, over git",
    async () => {
      const made = await at("two", "init", "--server", "db2", "--remote", "C:\\lab\\one\\remote.git");
      expect(made.code).toBe(0);
      await ran(0, "send", "hello from Windows", "--to", "db2");
      await untilHolds(
        async () => (await at("two", "inbox")).stdout.includes("hello from Windows"),
        PATIENCE_MS,
      );
      notInWine("a stop by a break on the console, and the removal of whole folders");
      monitor.kill();
      await monitor.ended;
    },
    TEST_MS,
  );
});
