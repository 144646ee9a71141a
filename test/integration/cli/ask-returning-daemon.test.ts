import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askReturningDaemon } from "../../../src/cli/ask-returning-daemon.ts";
import type { Settings } from "../../../src/cli/settings.ts";
import { supervisorOf } from "../../../src/cli/supervisor-client.ts";
import { machineLockPath, serverPaths } from "../../../src/platform/paths.ts";
import { writeHolder } from "../../../src/platform/process-lock.ts";
import { Programs } from "../../helpers/program.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-returning-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const programs = new Programs();
const servers: { stop: (now: boolean) => unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) server.stop(true);
  await programs.end();
});

let count = 0;
/** A daemon's socket and lock, whose holder is `pid`. */
function place(pid: number | null): { socket: string; lock: string } {
  count += 1;
  const lock = join(folder, `daemon-${count}.lock`);
  if (pid !== null) writeHolder(lock, { pid, startedWallMs: 1 });
  return { socket: join(folder, `${count}.sock`), lock };
}

const answerAt = (socket: string): void => {
  servers.push(Bun.serve({ unix: socket, fetch: () => Response.json({ pid: 12 }) }));
};
/** Asks, and calls `once` when the first try was made. */
async function asked(
  at: { socket: string; lock: string },
  once: () => unknown = () => undefined,
): Promise<{ readonly answer: unknown; readonly tries: number }> {
  let tries = 0;
  const answer = await askReturningDaemon(at, async (daemon) => {
    tries += 1;
    try {
      return await daemon.status();
    } finally {
      if (tries === 1) await once();
    }
  });
  return { answer, tries };
}

/** Makes a socket at `path` that nobody listens on, as between `bind` and `listen`: its server was killed. */
async function deadSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const program = programs.start([process.execPath, "-e", script]);
  await program.line();
  program.kill("SIGKILL");
  await program.ended();
}

describe("askReturningDaemon()", () => {
  test("asks a daemon that answers, once", async () => {
    const at = place(process.pid);
    answerAt(at.socket);
    expect(await asked(at)).toMatchObject({ answer: { pid: 12 }, tries: 1 });
  });

  test("asks again while a daemon that lives has a socket on which it does not listen yet", async () => {
    const at = place(process.pid);
    await deadSocket(at.socket);
    const { answer, tries } = await asked(at, () => {
      rmSync(at.socket);
      answerAt(at.socket);
    });
    expect(answer).toMatchObject({ pid: 12 });
    expect(tries).toBeGreaterThan(1);
  });

  test("waits for the socket of a daemon that lives and has none yet", async () => {
    const at = place(process.pid);
    const answer = asked(at);
    setTimeout(() => answerAt(at.socket), 100);
    expect(await answer).toMatchObject({ answer: { pid: 12 }, tries: 1 });
  });

  test("gives up at once where the holder of the lock is dead, socket or not", async () => {
    const gone = programs.start(["true"]);
    await gone.ended();
    for (const hasSocket of [false, true]) {
      const at = place(gone.pid);
      if (hasSocket) await deadSocket(at.socket);
      expect(await asked(at)).toEqual({ answer: null, tries: hasSocket ? 1 : 0 });
    }
    expect(await asked(place(null))).toEqual({ answer: null, tries: 0 });
  });

  test("gives up a daemon that lives and whose socket stays as it is", async () => {
    const at = place(process.pid);
    await deadSocket(at.socket);
    const { answer, tries } = await asked(at);
    expect(answer).toBeNull();
    expect(tries).toBeGreaterThan(1);
  });

  test("of a supervisor that lives and does not answer, says so", async () => {
    const root = mkdtempSync(join(folder, "root-"));
    const { folder: its, socket, daemonLock } = serverPaths(root, "code1");
    mkdirSync(its);
    const holder = { pid: process.pid, startedWallMs: 1, server: "code1" };
    for (const lock of [daemonLock, machineLockPath(root)]) writeHolder(lock, holder);
    await deadSocket(socket);
    const { ask } = supervisorOf({ root } as Settings);
    await expect(ask((daemon) => daemon.services.list())).rejects.toThrow(
      `the monitor of "code1" (pid ${process.pid}) runs and does not answer`,
    );
    writeHolder(daemonLock, { ...holder, pid: 2 ** 30 });
    await expect(ask((daemon) => daemon.services.list())).rejects.toThrow("no monitor runs");
  });

  test.each(["USAGE", "UNAVAILABLE"])("hands on the refusal %s of a daemon, asked once", async (code) => {
    const at = place(process.pid);
    const error = { code, message: "no such thing" };
    servers.push(Bun.serve({ unix: at.socket, fetch: () => Response.json({ error }, { status: 400 }) }));
    let tries = 0;
    const answer = askReturningDaemon(at, (daemon) => {
      tries += 1;
      return daemon.status();
    });
    await expect(answer).rejects.toThrow("no such thing");
    expect(tries).toBe(1);
  });
});
