// What a machine does to a monitor that supervises: it refuses, is full, hangs. The monitor lives on, and says so.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ListedService, ServiceFleet } from "../helpers/service-fleet.ts";
import { FLEETD, type Running } from "../helpers/temp-fleet.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const PATIENCE_MS = 180_000;
const WITHIN_MS = 60_000;
const STAYS = ["sh", "-c", "while :; do sleep 0.2; done"];
const isHere = process.platform === "linux";
if (!isHere)
  console.log("skipped: troubles of services on the executable, because this test looks into /proc");

/** An engine of containers that has no image, and never ends a pull. */
function hangingEngine(socket: string): { readonly calls: string[]; stop(): Promise<void> } {
  const calls: string[] = [];
  const server = Bun.serve({
    unix: socket,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      calls.push(`${request.method} ${pathname}`);
      if (pathname === "/images/create") await new Promise(() => undefined);
      if (pathname === "/containers/json") return Response.json([]);
      return Response.json({ message: "no such thing" }, { status: 404 });
    },
  });
  return { calls, stop: () => server.stop(true) };
}

describe.skipIf(!isHere)("a monitor", () => {
  const fleet = new ServiceFleet();
  const pipe = join(fleet.folder, "pipe");
  const socket = join(fleet.folder, "engine");
  let monitor: Running;
  let engine: ReturnType<typeof hangingEngine>;

  beforeAll(async () => {
    await fleet.init();
    Bun.spawnSync(["mkfifo", pipe]);
    engine = hangingEngine(socket);
    fleet.configure(
      {
        web: { command: fleet.noted("web", ...STAYS) },
        still: { command: STAYS, enabled: false },
        piped: { command: STAYS, env_file: pipe, enabled: false, restart: "no" },
        pulled: { container: { image: "slow" }, enabled: false },
        late: { container: { image: "slow" }, enabled: false, start_timeout: "1s", restart: "no" },
        hangs: {
          command: [
            "sh",
            "-c",
            `trap 'echo told > ${join(fleet.folder, "told")}; exit 0' TERM; echo traps; ${STAYS[2]}`,
          ],
          probes: { readiness: { log: "^traps$" } },
          stop: { command: ["sleep", "600"], timeout: "3s" },
          enabled: false,
        },
      },
      // However long the database is locked below: a crash loop would be tried again only after minutes.
      { backoff_first: "100ms", backoff_longest: "1s", crash_failures: 10_000 },
    );
    monitor = await fleet.fleet.monitor("code1", [], {
      env: { FLEETD_CONFIG: fleet.config, DOCKER_HOST: `unix://${socket}` },
    });
    await fleet.until("it runs", ([one]) => one?.state === "running", "web");
  }, PATIENCE_MS);
  afterAll(async () => {
    await monitor.stop("SIGKILL");
    await engine.stop();
    await fleet.close();
  }, PATIENCE_MS);

  test("adopts neither the first process, nor itself, nor what came of a service", async () => {
    const pid = (await fleet.one("web")).pid ?? 0;
    const refusals = { 1: "the first process", [monitor.pid]: "this daemon", [pid]: 'part of "web"' };
    for (const [target, why] of Object.entries(refusals)) {
      const { stderr } = await fleet.ran(["adopt", "still", "--pid", target], 65);
      expect(stderr).toContain(`Cannot adopt process ${target}: `);
      expect(stderr).toContain(why);
    }
    expect((await fleet.one("still")).state).toBe("stopped");
  });

  test("refuses variables from a pipe, and waits for nobody", async () => {
    const { stdout } = await fleet.ran(["start", "piped"], 1);
    expect(stdout).toContain(`cannot read "${pipe}": it is no regular file`);
    expect((await fleet.one("web")).state).toBe("running");
  });

  test(
    "stops a container whose image never comes, and gives it up by itself in the end",
    async () => {
      await fleet.run(["start", "pulled", "--timeout", "1s"]);
      await untilHolds(() => Promise.resolve(engine.calls.includes("POST /images/create")), WITHIN_MS);
      expect((await fleet.one("pulled")).state).toBe("starting");
      const other = Bun.spawn(["sleep", "600"]);
      const adopted = await fleet.ran(["adopt", "pulled", "--pid", String(other.pid)], 65);
      other.kill();
      expect(adopted.stderr).toContain("it is just being started");
      await fleet.ran(["stop", "pulled"]);
      expect((await fleet.one("pulled")).state).toBe("stopped");
      const late = await fleet.ran(["start", "late"], 1);
      expect(late.stdout).toContain("not started within 1 s");
      expect(engine.calls).not.toContain("POST /containers/create");
    },
    PATIENCE_MS,
  );

  test(
    "signals what its stop command did not stop",
    async () => {
      await fleet.ran(["start", "hangs"]);
      await fleet.ran(["stop", "hangs"]);
      expect(await Bun.file(join(fleet.folder, "told")).text()).toBe("told\n");
    },
    PATIENCE_MS,
  );

  test(
    "outlives a database that somebody else keeps, answers meanwhile, and notes later what happened",
    async () => {
      await fleet.ran(["start", "--name", "given", "--", ...STAYS]);
      const database = new Database(join(fleet.root, "services.db"));
      // The monitor may be about to note something.
      database.run("PRAGMA busy_timeout = 60000");
      database.run("BEGIN IMMEDIATE");
      const { pid } = await fleet.one("web");
      process.kill(pid ?? 0, "SIGKILL");
      await fleet.until("its end is seen", ([one]) => one?.last_end !== null, "web");
      const { stderr } = await fleet.ran(["stop", "still"], 74);
      expect(stderr).toContain("database is locked");
      expect((await fleet.ran(["forget", "given"], 74)).stderr).toContain("database is locked");
      expect(await eventually(() => /noted later/.test(monitor.stdout() + monitor.stderr()), WITHIN_MS)).toBe(
        true,
      );
      database.run("ROLLBACK");
      database.close();
      await fleet.until("it runs again", ([one]) => one?.state === "running" && one.pid !== pid, "web");
      expect(await eventually(() => /noted again/.test(monitor.stdout() + monitor.stderr()), WITHIN_MS)).toBe(
        true,
      );
      expect(fleet.fleet.isRunning(monitor.pid)).toBe(true);
    },
    PATIENCE_MS,
  );
});

const setpriv = isHere && process.getuid?.() === 0 ? Bun.which("setpriv") : null;
if (isHere && setpriv === null) console.log("skipped: a monitor without rights: it takes root and setpriv");

describe.skipIf(setpriv === null)("a monitor without rights", () => {
  const fleet = new ServiceFleet();
  const helper = join(fleet.folder, "helper");
  const app = join(fleet.folder, "app");
  let monitor: Bun.Subprocess;

  /** Nobody else may ask it. */
  function asNobody(words: readonly string[], stdout: Bun.BunFile): Bun.Subprocess {
    const rights = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    return Bun.spawn(["setpriv", ...rights, FLEETD, ...words], {
      cwd: "/",
      env: { ...fleet.fleet.environment, FLEETD_CONFIG: fleet.config },
      stdio: ["ignore", stdout, stdout],
    });
  }
  /** A new file each time: what stood there before would not be cut. */
  const answer = (): Bun.BunFile => Bun.file(join(fleet.folder, `answer-${crypto.randomUUID()}`));
  async function listed(): Promise<ListedService[]> {
    const file = answer();
    const code = await asNobody(["list", "--json"], file).exited;
    return code === 0 ? (JSON.parse(await file.text()) as { services: ListedService[] }).services : [];
  }
  const states = async (): Promise<string[]> => (await listed()).map(({ name, state }) => `${name} ${state}`);

  beforeAll(async () => {
    await fleet.init();
    mkdirSync(join(app, "src"), { recursive: true });
    fleet.configure({
      app: { command: [helper, "--reuid=1", "--clear-groups", "sleep", "1000"], stop: { timeout: "500ms" } },
      web: { command: fleet.noted("web", ...STAYS), cwd: app, watch: { debounce: "100ms" } },
    });
    Bun.spawnSync(["chown", "-R", "65534:65534", fleet.folder]);
    for (const path of [fleet.folder, fleet.fleet.git.home]) chmodSync(path, 0o755);
    copyFileSync(setpriv ?? "", helper);
    chmodSync(helper, 0o4755);
    monitor = asNobody(["monitor", "--server", "code1"], Bun.file(join(fleet.folder, "said")));
    await untilHolds(async () => (await states()).join() === "app running,web running", WITHIN_MS);
  }, PATIENCE_MS);
  afterAll(async () => {
    monitor.kill("SIGKILL");
    await monitor.exited;
    await fleet.close();
  }, PATIENCE_MS);

  test(
    "outlives a service that it may not signal, says so, and knows when that is gone",
    async () => {
      const pid = (await listed())[0]?.pid ?? 0;
      const isOther = (): boolean => /^Uid:\s+1\s+1\s/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      expect(await eventually(isOther, WITHIN_MS)).toBe(true);
      const stop = ["stop", "app", "--timeout", "1s"];
      expect(await asNobody(stop, answer()).exited).toBe(75);
      expect(await states()).toEqual(["app stopping", "web running"]);
      const said = Bun.file(join(fleet.folder, "said"));
      await untilHolds(
        async () => (await said.text()).includes("app: cannot be ended, and is tried again"),
        WITHIN_MS,
      );
      process.kill(pid, "SIGKILL");
      await untilHolds(async () => (await states()).includes("app stopped"), WITHIN_MS);
      expect(monitor.exitCode).toBeNull();
    },
    PATIENCE_MS,
  );

  test(
    "outlives a watched folder that is locked, and follows it when it is opened",
    async () => {
      chmodSync(join(app, "src"), 0);
      await untilHolds(() => Promise.resolve(fleet.startsOf("web").length > 1), WITHIN_MS);
      chmodSync(join(app, "src"), 0o755);
      const before = fleet.startsOf("web").length;
      await untilHolds(async () => {
        writeFileSync(join(app, "src", "file"), String(performance.now()));
        await Bun.sleep(300);
        return fleet.startsOf("web").length > before;
      }, WITHIN_MS);
      expect(monitor.exitCode).toBeNull();
    },
    PATIENCE_MS,
  );
});
