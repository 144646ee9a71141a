// `fleetd/process` by the 45 cases of the tests of what it replaces, by their numbers, and by the faults that were found
// there. Everything is real: children, ports, signals and locks.
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as face from "../../../src/library/process.ts";
import { fixtureWords, type Program, Programs } from "../../helpers/program.ts";
import { allProcesses, eventually } from "../../helpers/temp-git.ts";

const WITHIN_MS = 30_000;
const TEST_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), "fleetd-process-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const programs = new Programs();
let errors: [string, unknown][];
let quits: number;
let count = 0;
let manager: face.ProcessManager;
const servers: Server[] = [];

const make = (name = `program-${count}`, more: object = {}): face.ProcessManager =>
  face.createProcessManager({
    name,
    folder,
    killTimeoutMs: 1_000,
    retryMs: 20,
    quit: () => {
      quits += 1;
    },
    onError: (context, error) => errors.push([context, error]),
    ...more,
  });

beforeEach(() => {
  count += 1;
  errors = [];
  quits = 0;
  manager = make();
});
afterEach(async () => {
  manager.dispose();
  face.resetProcessManager();
  await programs.end();
  for (const server of servers.splice(0)) server.close();
});

/** Listens in this very process. */
async function listenHere(host = "127.0.0.1", port = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  servers.push(server);
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function freePort(): Promise<number> {
  const port = await listenHere();
  const server = servers.pop();
  await new Promise((resolve) => server?.close(resolve));
  return port;
}

/** A child of this process that listens. */
async function holder(
  addresses = "127.0.0.1",
  port = 0,
  way = "",
): Promise<{ port: number; program: Program }> {
  const program = programs.start(fixtureWords("port-holder", addresses, String(port), way));
  const [, said] = (await program.line()).split(" ");
  return { port: Number(said), program };
}

/** A process that listens and is not of this one's children: whoever started it is gone. `env`: what it inherits. */
async function orphan(env?: Record<string, string | undefined>): Promise<{ port: number; pid: number }> {
  const words = fixtureWords("port-holder", "127.0.0.1", "0").map((word) => `'${word}'`);
  const parent = programs.start(
    ["setsid", "sh", "-c", `${words.join(" ")} & wait`],
    env === undefined ? {} : { env },
  );
  const [, port, pid] = (await parent.line()).split(" ");
  programs.note(Number(pid));
  parent.kill("SIGKILL");
  await eventually(() => !isRunning(parent.pid), WITHIN_MS);
  return { port: Number(port), pid: Number(pid) };
}

/** A zombie is gone: whoever is first here may be no init that collects it. */
const isRunning = (pid: number): boolean =>
  allProcesses().some((one) => one.pid === pid && one.state !== "Z");
const lastError = (): string => String(errors.at(-1));

describe("a manager", () => {
  test("1 fresh: it has a start date, no ports and no handlers", async () => {
    const { startTime, managedPorts, shutdownHandlers } = await manager.getProcessStatus();
    expect(startTime).toBeInstanceOf(Date);
    expect(Math.abs(startTime.getTime() - Date.now())).toBeLessThan(WITHIN_MS);
    expect([managedPorts, shutdownHandlers]).toEqual([[], 0]);
  });

  test("2 getProcessManager() answers one shared instance", () => {
    const first = face.getProcessManager({ folder, name: "shared" });
    expect(face.getProcessManager()).toBe(first);
    expect(face.getProcessManager({ folder, name: "another" })).toBe(first);
  });

  test("3 resetProcessManager() gives another one, and frees what the first held", async () => {
    const first = face.getProcessManager({ folder, name: "reset" });
    expect(await first.enforceSingleInstance()).toBe(true);
    face.resetProcessManager();
    const second = face.getProcessManager({ folder, name: "reset" });
    expect(second).not.toBe(first);
    expect(await face.enforceSingleInstance()).toBe(true);
  });
});

describe("enforceSingleInstance()", () => {
  const starter = (name: string, ...words: readonly string[]): Program =>
    programs.start(fixtureWords("instance-starter", folder, name, ...words), { cwd: folder });

  test("4 asks the lock of the system: who has it in another process keeps this one out", async () => {
    const first = starter("asks");
    expect(await first.line()).toBe(`first ${first.pid}`);
    const second = make("asks");
    expect(await second.enforceSingleInstance()).toBe(false);
    second.dispose();
  });

  test("5 tells the first one true, also when it asks again", async () => {
    expect(await manager.enforceSingleInstance()).toBe(true);
    expect(await manager.enforceSingleInstance()).toBe(true);
    expect(quits).toBe(0);
  });

  test("6 tells the second one false, which quits", async () => {
    const name = `program-${count}`;
    expect(await manager.enforceSingleInstance()).toBe(true);
    const second = make(name);
    expect(await second.enforceSingleInstance()).toBe(false);
    await eventually(() => quits === 1, WITHIN_MS);
    const third = starter(name);
    expect(await third.line()).toBe("second");
    expect((await third.ended()).code).toBe(0);
  });

  test("7 keeps the callback, which gets words, folder and id of the second instance", async () => {
    const told: unknown[] = [];
    await manager.enforceSingleInstance((...call) => told.push(call));
    const second = starter(`program-${count}`, "0", "--open", "\u001b[2J ü");
    await second.ended();
    expect(told).toEqual([[[folder, `program-${count}`, "0", "--open", "\u001b[2J ü"], folder, second.pid]]);
  });

  test("a callback that throws is logged, and the second instance ends all the same", async () => {
    await manager.enforceSingleInstance(() => {
      throw new Error("callback");
    });
    const second = starter(`program-${count}`);
    expect((await second.ended()).code).toBe(0);
    expect(lastError()).toContain("callback");
  });

  test("what is no second instance and talks to the socket is refused, and logged", async () => {
    await manager.enforceSingleInstance(() => undefined);
    const { instancePaths } = await import("../../../src/platform/instance-paths.ts");
    const { tellInstance } = await import("../../../src/platform/instance-socket.ts");
    const { socket } = instancePaths({ folder, name: `program-${count}` });
    for (const line of ["rubbish", '{"pid":0,"argv":[],"cwd":""}', `"${"x".repeat(100_000)}"`]) {
      errors = [];
      expect(await tellInstance(socket, line, WITHIN_MS)).toBe(false);
      expect(errors.length).toBe(1);
    }
  });

  test(
    "fault: of 30 simultaneous starters one is the first, and a pid file has no say in it",
    async () => {
      const name = `program-${count}`;
      const instant = String(performance.timeOrigin + performance.now() + 1_500);
      const starters = Array.from({ length: 30 }, () => starter(name, instant));
      const said = await Promise.all(starters.map((one) => one.line()));
      expect(said.filter((line) => line.startsWith("first "))).toHaveLength(1);
      const firstAt = said.findIndex((line) => line.startsWith("first "));
      const first = starters[firstAt];
      first?.kill("SIGKILL");
      await first?.ended();
      // No stale state: files are left behind, and mean nothing.
      const { instancePaths } = await import("../../../src/platform/instance-paths.ts");
      writeFileSync(`${instancePaths({ folder, name }).lock}.json`, JSON.stringify({ pid: process.pid }));
      expect(await manager.enforceSingleInstance()).toBe(true);
    },
    TEST_MS,
  );
});

describe("isPortInUse() and findProcessByPort()", () => {
  test("8 answer a boolean for any port", async () => {
    for (const port of [1, 80, 443, 8080, 65_535]) expect(await manager.isPortInUse(port)).toBeBoolean();
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) expect(await manager.isPortInUse(port)).toBe(false);
    expect(errors).toHaveLength(5);
  });

  test("9 isPortInUse() is true for a listener", async () => {
    expect(await manager.isPortInUse(await listenHere())).toBe(true);
  });

  test("10 isPortInUse() is false for a free one", async () => {
    expect(await manager.isPortInUse(await freePort())).toBe(false);
  });

  test("11 findProcessByPort() has no pid for a free port", async () => {
    const port = await freePort();
    const nobody = { port, inUse: false, pid: null, name: null, user: null, address: null, pids: [] };
    expect(await manager.findProcessByPort(port)).toEqual(nobody);
  });

  test("12 findProcessByPort() tells who has a busy one", async () => {
    const { port, program } = await holder();
    expect(await manager.findProcessByPort(port)).toMatchObject({
      port,
      inUse: true,
      pid: program.pid,
      name: expect.stringContaining("bun"),
      user: expect.any(String),
      address: "127.0.0.1",
      pids: [program.pid],
    });
  });

  test("fault: a client is not taken for the listener", async () => {
    const { port, program } = await holder();
    const client = connect(port, "127.0.0.1");
    await new Promise((resolve) => client.once("connect", resolve));
    expect((await manager.findProcessByPort(port)).pids).toEqual([program.pid]);
    const own = client.localPort ?? 0;
    expect(await manager.isPortInUse(own)).toBe(false);
    expect(await manager.killProcessOnPort(own, { force: true })).toBe(false);
    expect(isRunning(program.pid)).toBe(true);
    client.destroy();
  });

  test("fault: a port whose number begins with another's is not that other", async () => {
    const port = await listenHere();
    const shorter = Math.floor(port / 10);
    expect(await manager.findProcessByPort(shorter)).toMatchObject({ port: shorter });
    expect((await manager.findProcessByPort(shorter)).pids).not.toContain(process.pid);
  });

  test.each([["127.0.0.1"], ["127.0.0.2"], ["::1"], ["0.0.0.0"], ["::"]])(
    "fault: a listener on %s is found",
    async (address) => {
      const { port, program } = await holder(address);
      expect(await manager.isPortInUse(port)).toBe(true);
      expect(await manager.findProcessByPort(port)).toMatchObject({ pid: program.pid, address });
    },
  );

  const setpriv = Bun.which("setpriv");
  const cannotDrop = setpriv === null || process.getuid?.() !== 0 ? "needs root and setpriv" : null;
  if (cannotDrop !== null) console.log(`skipped: a port that this user may not bind (${cannotDrop})`);
  test.skipIf(cannotDrop !== null)("fault: a free port that this user may not bind is free", async () => {
    const face = join(import.meta.dir, "../../../src/library/process.ts");
    const script = `
      const { createServer } = await import("node:net");
      const { createProcessManager } = await import(${JSON.stringify(face)});
      const bind = await new Promise((resolve) => createServer().on("error", (e) => resolve(e.code)).listen(81, () => resolve("bound")));
      const manager = createProcessManager({ folder: ${JSON.stringify(folder)}, name: "rights" });
      console.log(JSON.stringify([bind, await manager.isPortInUse(81)]));
      process.exit(0);`;
    const words = ["setpriv", "--bounding-set=-net_bind_service", process.execPath, "-e", script];
    const [bind, inUse] = JSON.parse(await programs.start(words).line()) as [string, boolean];
    if (bind !== "EACCES") console.log(`skipped: a port that may not be bound (binding 81 answers ${bind})`);
    expect(inUse).toBe(false);
  });
});

describe("managed ports", () => {
  test("13 registerManagedPort() remembers one", async () => {
    manager.registerManagedPort(8123, "web");
    expect((await manager.getProcessStatus()).managedPorts).toMatchObject([{ port: 8123, name: "web" }]);
  });

  test("14 trackPort() is the same", async () => {
    manager.trackPort(8124, "api");
    expect((await manager.getStatus()).managedPorts).toMatchObject([{ port: 8124, name: "api" }]);
  });

  test("15 three ports have their own names", async () => {
    for (const [port, name] of [
      [8125, "a"],
      [8126, "b"],
      [8127, "c"],
    ] as const)
      manager.trackPort(port, name);
    const { managedPorts } = await manager.getStatus();
    expect(managedPorts.map(({ port, name }) => [port, name])).toEqual([
      [8125, "a"],
      [8126, "b"],
      [8127, "c"],
    ]);
  });

  test("what is no port is refused before anything runs", () => {
    for (const port of [0, -1, 65_536, 8080.5, Number.NaN]) {
      expect(() => manager.registerManagedPort(port, "x")).toThrow(RangeError);
    }
  });
});

describe("getProcessStatus()", () => {
  test("16 of an empty manager: running, its start date, no ports", async () => {
    const { isRunning: runs, startTime, managedPorts } = await manager.getProcessStatus();
    expect([runs, startTime, managedPorts]).toEqual([true, manager.startTime, []]);
  });

  test("17 lists two ports", async () => {
    manager.trackPort(await listenHere(), "one");
    manager.trackPort(await freePort(), "two");
    expect((await manager.getProcessStatus()).managedPorts).toHaveLength(2);
  });

  test("18 has its fields", async () => {
    expect(Object.keys(await manager.getProcessStatus()).sort()).toEqual([
      "isRunning",
      "managedPorts",
      "pid",
      "shutdownHandlers",
      "startTime",
    ]);
  });

  test("19 a port has number, name and whether it is in use", async () => {
    const [busy, free] = [await listenHere(), await freePort()];
    manager.trackPort(busy, "busy");
    manager.trackPort(free, "free");
    expect((await manager.getProcessStatus()).managedPorts).toEqual([
      { port: busy, name: "busy", inUse: true },
      { port: free, name: "free", inUse: false },
    ]);
  });

  test("20 getStatus() is the same", async () => {
    expect(await manager.getStatus()).toEqual(await manager.getProcessStatus());
  });
});

describe("shutdown handlers", () => {
  const size = async (): Promise<number> => (await manager.getStatus()).shutdownHandlers;

  test("21 a sync one is added", async () => {
    manager.addShutdownHandler(() => undefined);
    expect(await size()).toBe(1);
  });

  test("22 an async one is added", async () => {
    manager.addShutdownHandler(() => Promise.resolve());
    expect(await size()).toBe(1);
  });

  test("23 onShutdown() is the same", async () => {
    manager.onShutdown(() => undefined);
    expect(await size()).toBe(1);
  });

  test("24 three are added", async () => {
    for (const _ of [1, 2, 3]) manager.onShutdown(() => undefined);
    expect(await size()).toBe(3);
  });

  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  test("25 sync ones run in order", async () => {
    const ran: number[] = [];
    for (const index of [1, 2, 3]) manager.onShutdown(() => void ran.push(index));
    await manager.executeShutdownHandlers();
    expect(ran).toEqual([1, 2, 3]);
    expect((await manager.getStatus()).isRunning).toBe(false);
  });

  test("26 async ones run in order, the next one after the end of the one before", async () => {
    const ran: string[] = [];
    for (const [index, ms] of [20, 10, 0].entries()) {
      manager.onShutdown(async () => {
        ran.push(`begin ${index}`);
        await wait(ms);
        ran.push(`end ${index}`);
      });
    }
    await manager.executeShutdownHandlers();
    expect(ran).toEqual(["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]);
  });

  test("27 mixed ones run in order", async () => {
    const ran: number[] = [];
    manager.onShutdown(async () => {
      await wait(10);
      ran.push(1);
    });
    manager.onShutdown(() => void ran.push(2));
    manager.onShutdown(async () => {
      await wait(1);
      ran.push(3);
    });
    await manager.executeShutdownHandlers();
    expect(ran).toEqual([1, 2, 3]);
  });

  test("28 one throws, the rest run", async () => {
    const ran: number[] = [];
    manager.onShutdown(() => void ran.push(1));
    manager.onShutdown(() => {
      throw new Error("broken handler");
    });
    manager.onShutdown(() => Promise.reject(new Error("rejecting handler")));
    manager.onShutdown(() => void ran.push(2));
    await manager.executeShutdownHandlers();
    expect(ran).toEqual([1, 2]);
    expect(errors.map(String)).toEqual([
      expect.stringContaining("broken handler"),
      expect.stringContaining("rejecting handler"),
    ]);
  });

  test("29 they run once", async () => {
    let times = 0;
    manager.onShutdown(() => {
      times += 1;
    });
    await Promise.all([manager.executeShutdownHandlers(), manager.executeShutdownHandlers("again")]);
    await manager.executeShutdownHandlers();
    expect(times).toBe(1);
  });

  test("30 registerShutdownHandlers() hooks the end, SIGTERM and SIGINT, once, and dispose() lets go", () => {
    const listening = (): number[] =>
      ["beforeExit", "SIGTERM", "SIGINT"].map((event) => process.listenerCount(event));
    const before = listening();
    manager.registerShutdownHandlers();
    manager.registerShutdownHandlers();
    expect(listening()).toEqual(before.map((number) => number + 1));
    manager.dispose();
    expect(listening()).toEqual(before);
  });

  test.each([["SIGTERM"], ["SIGINT"]] as const)(
    "31 %s runs them, and ends the program as it would have",
    async (signal) => {
      const program = programs.start(fixtureWords("ending-program", folder));
      expect(await program.line()).toBe("ready");
      program.kill(signal);
      const { stdout, signal: by } = await program.ended();
      expect(stdout).toBe(`first ${signal}\nlast ${signal}\n`);
      expect(by).toBe(signal);
    },
  );

  test("31 the end of the program runs them", async () => {
    const program = programs.start(fixtureWords("ending-program", folder, "idle"));
    const { stdout, code } = await program.ended();
    expect(stdout).toBe("ready\nfirst exit\nlast exit\n");
    expect(code).toBe(0);
  });

  test("fault: one that hangs keeps nothing from ending", async () => {
    const program = programs.start(fixtureWords("ending-program", folder, "hang"));
    await program.line();
    program.kill("SIGTERM");
    const { stdout, stderr } = await program.ended();
    expect(stdout).toBe("first SIGTERM\nlast SIGTERM\n");
    expect(stderr).toContain('shutdown handler "hanging": no end within');
  });

  test("a second signal ends the program at once", async () => {
    const program = programs.start(fixtureWords("ending-program", folder, "deaf"));
    await program.line();
    program.kill("SIGTERM");
    expect(await program.line()).toBe("first SIGTERM");
    program.kill("SIGINT");
    expect(await program.ended()).toMatchObject({ signal: "SIGINT", stdout: "" });
  });

  test("fault: a promise of a plain function is awaited", async () => {
    let isDone = false;
    manager.onShutdown(() => wait(20).then(() => (isDone = true)));
    manager.onShutdown(() => expect(isDone).toBe(true));
    expect((await manager.executeShutdownHandlers()).map(({ result }) => result)).toEqual(["done", "done"]);
  });
});

describe("ensurePortAvailable()", () => {
  test("32 a free port is available", async () => {
    expect(await manager.ensurePortAvailable(await freePort())).toBe(true);
  });

  test("33 a busy one is a boolean: true once what was ours is gone", async () => {
    const { port, program } = await holder();
    expect(await manager.ensurePortAvailable(port)).toBe(true);
    expect(isRunning(program.pid) && (await program.ended()).signal === null).toBe(false);
  });

  test("34 false when the retries are used up", async () => {
    const { port, pid } = await orphan();
    expect(await manager.ensurePortAvailable(port, 2)).toBe(false);
    expect(errors).toHaveLength(2);
    expect(lastError()).toContain("not-ours");
    expect(isRunning(pid)).toBe(true);
    expect(await manager.ensurePortAvailable(port, 0)).toBe(false);
  });

  test("fault: it looks again after the last try", async () => {
    const { port } = await holder("127.0.0.1", 0, "stubborn");
    expect(await manager.ensurePortAvailable(port, 1)).toBe(true);
  });

  test("what a stranger gives up by himself is available then", async () => {
    const patient = make(`program-${count}`, { retryMs: 100 });
    const { port, pid } = await orphan();
    const answer = patient.ensurePortAvailable(port, 300);
    await eventually(() => errors.length > 0, WITHIN_MS);
    process.kill(pid, "SIGKILL");
    expect(await answer).toBe(true);
    patient.dispose();
  });
});

describe("cleanupOnStartup()", () => {
  test("35 completes with no ports", async () => {
    expect(await manager.cleanupOnStartup()).toEqual([]);
  });

  test("36 completes with free ports", async () => {
    const port = await freePort();
    manager.trackPort(port, "web");
    expect(await manager.cleanupOnStartup()).toEqual([{ port, name: "web", outcome: "not-found" }]);
  });

  test(
    "37 a busy managed port is freed: of a child, and of what an instance before left behind",
    async () => {
      const { port } = await holder("127.0.0.1,::1", 0, "stubborn");
      // What a program starts with its own environment carries its mark, whoever it belongs to later.
      const left = await orphan(process.env);
      manager.trackPort(port, "child");
      manager.trackPort(left.port, "left");
      expect(await manager.cleanupOnStartup()).toEqual([
        { port, name: "child", outcome: "killed" },
        { port: left.port, name: "left", outcome: "killed" },
      ]);
      expect(await manager.isPortInUse(port)).toBe(false);
      expect(isRunning(left.pid)).toBe(false);
    },
    TEST_MS,
  );

  test("38 a kill that fails is swallowed and logged", async () => {
    const port = await listenHere();
    manager.trackPort(port, "own");
    expect(await manager.cleanupOnStartup()).toEqual([{ port, name: "own", outcome: "forbidden" }]);
    expect(lastError()).toContain(`freeing port ${port}`);
  });

  test("fault: a stranger is left alone", async () => {
    const { port, pid } = await orphan();
    manager.trackPort(port, "web");
    expect(await manager.cleanupOnStartup()).toEqual([{ port, name: "web", outcome: "not-ours" }]);
    expect(isRunning(pid)).toBe(true);
  });

  test("what another program marked is a stranger, too", async () => {
    const left = await orphan({ ...process.env, FLEETD_INSTANCE_OF: "somebody-else" });
    manager.trackPort(left.port, "web");
    expect(await manager.cleanupOnStartup()).toMatchObject([{ outcome: "not-ours" }]);
    expect(isRunning(left.pid)).toBe(true);
  });
});

describe("killing", () => {
  test("39 killProcessOnPort() and killProcessById() answer booleans", async () => {
    const { port, program } = await holder();
    expect(await manager.killProcessOnPort(port)).toBe(true);
    expect(await manager.killProcessOnPort(port)).toBe(false);
    expect(await manager.killProcessById(program.pid)).toBe(false);
    const other = await holder();
    expect(await manager.killProcessById(other.program.pid)).toBe(true);
  });

  test("40 nothing throws, whatever is asked for", async () => {
    for (const pid of [
      0,
      -1,
      1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 40,
      "7" as unknown as number,
    ]) {
      expect(await manager.killProcessById(pid, { force: true })).toBe(false);
    }
    for (const port of [0, -1, 65_536, 1.5, Number.NaN, "80" as unknown as number]) {
      expect(await manager.killProcessOnPort(port, { force: true })).toBe(false);
    }
    expect(errors).toHaveLength(14);
  });

  test("41 on this system a process that ignores TERM is gone in the end", async () => {
    const { port, program } = await holder("0.0.0.0", 0, "stubborn");
    expect(await manager.killProcessOnPort(port)).toBe(true);
    expect((await program.ended()).signal).toBe("SIGKILL");
  });

  test("fault: this process is not ended when it has the port, nor one that it came of, not even with force", async () => {
    const port = await listenHere();
    expect(await manager.killProcessOnPort(port, { force: true })).toBe(false);
    expect(await manager.killProcessById(process.pid, { force: true })).toBe(false);
    expect(await manager.killProcessById(process.ppid, { force: true })).toBe(false);
    expect(errors.map(String)).toEqual([
      expect.stringContaining("forbidden"),
      expect.stringContaining("forbidden (self)"),
      expect.stringContaining("forbidden (ancestor)"),
    ]);
  });

  test("fault: a pid that is not there is not ended", async () => {
    const { program } = await holder();
    program.kill("SIGKILL");
    await program.ended();
    expect(await manager.killProcessById(program.pid, { force: true })).toBe(false);
  });

  test("a stranger is ended with force only", async () => {
    const { port, pid } = await orphan();
    expect(await manager.killProcessOnPort(port)).toBe(false);
    expect(await manager.killProcessById(pid)).toBe(false);
    expect(isRunning(pid)).toBe(true);
    expect(await manager.killProcessOnPort(port, { force: true })).toBe(true);
    expect(isRunning(pid)).toBe(false);
  });
});

describe("logError()", () => {
  test("42 an error is logged with its context", () => {
    const error = new Error("no space");
    manager.logError("writing the file", error);
    expect(errors).toEqual([["writing the file", error]]);
  });

  test("43 without anybody to take it, it is one line on stderr that moves no cursor", async () => {
    const path = join(import.meta.dir, "../../../src/library/process.ts");
    const script = `
      const { createProcessManager } = await import(${JSON.stringify(path)});
      const options = { folder: ${JSON.stringify(folder)}, name: "logs" };
      createProcessManager(options).logError("context", new Error("\\u001b[2J bad"));
      createProcessManager({ ...options, onError: () => { throw new Error("x"); } }).logError("a", "b");`;
    const { stderr, code } = await programs.start([process.execPath, "-e", script]).ended();
    expect([code, stderr]).toEqual([0, "context: ␛[2J bad\n"]);
  });
});

describe("registration from many places at once", () => {
  const MANY = Array.from({ length: 200 }, (_, index) => index);

  test("44 loses no port", async () => {
    await Promise.all(
      MANY.map(async (index) => {
        await Promise.resolve();
        manager.registerManagedPort(20_000 + index, `service ${index}`);
      }),
    );
    const { managedPorts } = await manager.getStatus();
    expect(new Set(managedPorts.map(({ name }) => name)).size).toBe(MANY.length);
  });

  test("45 loses no handler", async () => {
    const ran = new Set<number>();
    await Promise.all(
      MANY.map(async (index) => {
        await Promise.resolve();
        manager.addShutdownHandler(() => void ran.add(index));
      }),
    );
    await manager.executeShutdownHandlers();
    expect(ran.size).toBe(MANY.length);
  });
});

test("each function of the face works on the shared manager", async () => {
  face.getProcessManager({
    folder,
    name: "face",
    onError: (context, error) => errors.push([context, error]),
  });
  const port = await listenHere();
  expect(await face.isPortInUse(port)).toBe(true);
  expect((await face.findProcessByPort(port)).pid).toBe(process.pid);
  expect(await face.killProcessOnPort(port)).toBe(false);
  expect(await face.killProcessById(process.pid)).toBe(false);
  expect(await face.ensurePortAvailable(await freePort(), 1)).toBe(true);
  face.registerManagedPort(port, "one");
  face.trackPort(port, "two");
  expect(await face.cleanupOnStartup()).toMatchObject([{ port, name: "two", outcome: "forbidden" }]);
  face.logError("here", new Error("x"));
  expect(errors.at(-1)?.[0]).toBe("here");
  face.registerShutdownHandlers();
  const remove = face.addShutdownHandler(() => undefined);
  face.onShutdown(() => undefined);
  remove();
  expect((await face.getStatus()).shutdownHandlers).toBe(1);
  expect(await face.executeShutdownHandlers("why")).toHaveLength(1);
  expect((await face.getProcessStatus()).isRunning).toBe(false);
});
