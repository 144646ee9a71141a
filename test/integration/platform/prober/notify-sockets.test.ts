import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { NotifyReceiver } from "../../../../src/base/ports/prober.ts";
import { openNotifyReceiver } from "../../../../src/platform/prober/notify-sockets.ts";

const WAIT_MS = 30_000;
const RUN = "6f1f8c1e-0000-4000-8000-000000000001";
// One that every user may run: what a version manager puts first stands in the folder of one user.
const python = Bun.which("python3", { PATH: "/usr/bin:/usr/local/bin" }) ?? Bun.which("python3");
const isPossible = process.platform === "linux" && python !== null;
if (!isPossible) console.log("skipped: notify sockets, which need Linux and python3 to speak to them");
const fixture = join(import.meta.dir, "../../../fixtures/probes/say.py");

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error("it did not come to pass");
    await Bun.sleep(10);
  }
}

describe.skipIf(!isPossible)("openNotifyReceiver()", () => {
  let folder: string;
  let receiver: NotifyReceiver;
  const speakers: Bun.Subprocess<"pipe">[] = [];
  const shared: string[] = [];

  const open = (): NotifyReceiver => {
    const opened = openNotifyReceiver(folder);
    if (opened === null) throw new Error("no receiver");
    return opened;
  };
  const say = (path: string, ...words: string[]): Bun.Subprocess<"pipe"> => {
    const speaker = Bun.spawn([python ?? "", fixture, ...words], {
      env: { NOTIFY_SOCKET: path },
      stdio: ["pipe", "ignore", "inherit"],
    });
    speakers.push(speaker);
    return speaker;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fleetd-notify-test-"));
    receiver = open();
  });

  afterEach(async () => {
    receiver.end(RUN);
    receiver.close();
    for (const speaker of speakers.splice(0)) {
      speaker.kill("SIGKILL");
      await speaker.exited;
    }
    rmSync(folder, { recursive: true, force: true });
    for (const path of shared.splice(0)) rmSync(path, { recursive: true, force: true });
  });

  test("hears what a process says, and knows which one it was", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    const heard: [string, number][] = [];
    const speaker = say(path, "READY=1", "STATUS=up");
    receiver.listen(
      RUN,
      (pid) => pid === speaker.pid,
      (text, pid) => heard.push([text, pid]),
    );
    await until(() => heard.length === 2);
    expect(heard).toEqual([
      ["READY=1", speaker.pid],
      ["STATUS=up", speaker.pid],
    ]);
  });

  test("believes nobody who does not belong to the service, and goes on hearing who does", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    const heard: string[] = [];
    const asked: number[] = [];
    const stranger = say(path, "READY=1");
    const own = { pid: 0 };
    receiver.listen(
      RUN,
      (pid) => {
        asked.push(pid);
        return pid === own.pid;
      },
      (text) => heard.push(text),
    );
    await until(() => asked.includes(stranger.pid));
    own.pid = say(path, "STATUS=mine").pid;
    await until(() => heard.length > 0);
    expect(heard).toEqual(["STATUS=mine"]);
  });

  test("hears the last word of a process that has ended since, where the user is the service's", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    const speaker = say(path, "READY=1");
    speaker.stdin.end();
    await speaker.exited;
    const heard: string[] = [];
    // Nothing of the service has its number any more.
    receiver.listen(
      RUN,
      () => false,
      (text) => heard.push(text),
    );
    await until(() => heard.length > 0);
    expect(heard).toEqual(["READY=1"]);
  });

  test("hears the last word of a process that has ended and that nobody has collected", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    const lines = [
      "import os,socket,sys",
      "pid = os.fork()",
      `if pid == 0: socket.socket(1,2).sendto(b"READY=1","${path}"); os._exit(0)`,
      "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)",
      "print(pid, flush=True)",
      "sys.stdin.read()",
    ];
    const parent = Bun.spawn([python ?? "", "-c", lines.join("\n")], {
      env: {},
      stdio: ["pipe", "pipe", "inherit"],
    });
    speakers.push(parent);
    const { value } = await parent.stdout.getReader().read();
    expect(existsSync(`/proc/${Number(new TextDecoder().decode(value))}/stat`)).toBe(true);
    const heard: string[] = [];
    receiver.listen(
      RUN,
      () => false,
      (text) => heard.push(text),
    );
    await until(() => heard.length > 0);
    expect(heard).toEqual(["READY=1"]);
  });

  test("drops a message that is too long, and takes bytes that are no text", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    const heard: string[] = [];
    receiver.listen(
      RUN,
      () => true,
      (text) => heard.push(text),
    );
    say(path, "x".repeat(10_000), "\\xff\\x00\\n=", "STATUS=last");
    await until(() => heard.includes("STATUS=last"));
    expect(heard).toEqual(["\uFFFD\0\n=", "STATUS=last"]);
  });

  test("the socket is this user's alone, and gone with its run", () => {
    const path = receiver.open({ run: RUN, userId: null });
    expect(dirname(path)).toBe(folder);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    receiver.end(RUN);
    expect(existsSync(path)).toBe(false);
    receiver.end(RUN);
  });

  test("another daemon takes the socket over at the same path", async () => {
    const path = receiver.open({ run: RUN, userId: null });
    receiver.close();
    expect(existsSync(path)).toBe(true);
    receiver = open();
    const heard: string[] = [];
    receiver.listen(
      RUN,
      () => true,
      (text) => heard.push(text),
    );
    say(path, "READY=1");
    await until(() => heard.length === 1);
  });

  test("a run that had no socket is listened to in vain, without trouble", () => {
    receiver.listen(
      "nobody",
      () => true,
      () => undefined,
    );
  });

  test("a folder whose path is too long has its sockets elsewhere, with a short one", () => {
    const long = openNotifyReceiver(join(folder, "x".repeat(100)));
    if (long === null) throw new Error("no receiver");
    const path = long.open({ run: RUN, userId: null });
    shared.push(dirname(path));
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o711);
    long.end(RUN);
    long.close();
  });

  test("a long path of the folder for temporary files does not matter, either", () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = join(folder, "y".repeat(100));
    try {
      const long = openNotifyReceiver(join(folder, "x".repeat(100)));
      if (long === null) throw new Error("no receiver");
      const path = long.open({ run: RUN, userId: null });
      shared.push(dirname(path));
      expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100);
      expect(statSync(path).isSocket()).toBe(true);
      long.end(RUN);
      long.close();
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.log("skipped: a notify socket for another user, which needs root");
  test.skipIf(!isRoot)("a service of another user can write to its socket, and no third one", async () => {
    const path = receiver.open({ run: RUN, userId: 65_534 });
    shared.push(dirname(path));
    expect([statSync(path).uid, statSync(path).mode & 0o777]).toEqual([65_534, 0o600]);
    const speak = (uid: number, words: string) =>
      Bun.spawn([python ?? "", "-c", `import socket,sys;socket.socket(1,2).sendto(b"${words}","${path}")`], {
        uid,
        gid: uid,
        cwd: "/",
        env: {},
        stdio: ["ignore", "ignore", "ignore"],
      }).exited;
    expect(await speak(65_533, "STATUS=third")).not.toBe(0);
    expect(await speak(0, "STATUS=root")).toBe(0);
    expect(await speak(65_534, "STATUS=own")).toBe(0);
    const heard: string[] = [];
    // Each is gone when its word is read: the user counts, and root is not the service's.
    receiver.listen(
      RUN,
      () => false,
      (text) => heard.push(text),
    );
    await until(() => heard.length > 0);
    expect(heard).toEqual(["STATUS=own"]);
  });
});
