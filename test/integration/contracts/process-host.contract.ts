import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { FleetError } from "../../../src/base/errors.ts";
import type { ProcessHost } from "../../../src/base/ports/process-host.ts";
import { isAlive } from "../../../src/platform/is-alive.ts";
import { HostScene, PROGRAMS, pidsOf, textOf, until } from "../../helpers/host-scene.ts";

const python = process.platform === "linux" ? Bun.which("python3") : null;
if (python === null)
  console.log("skipped: a process that ended its first thread: it takes Linux and python3");

/** What everybody may expect of a `ProcessHost`. `findsForgetful`: also what detached itself and lost its environment. */
export function processHostContract(
  name: string,
  open: () => Promise<ProcessHost>,
  { findsForgetful }: { readonly findsForgetful: boolean },
): void {
  describe(`ProcessHost: ${name}`, () => {
    let scene: HostScene;
    beforeAll(async () => {
      scene = new HostScene(await open());
    });
    afterEach(() => scene.end());
    afterAll(() => scene.close());

    const messageOf = async (command: readonly string[], other = {}): Promise<string> => {
      const thrown: unknown = await scene.spawn(command, other).then(
        () => null,
        (error: unknown) => error,
      );
      expect(thrown).toBeInstanceOf(FleetError);
      return thrown instanceof FleetError ? `${thrown.code}: ${thrown.message}` : "";
    };

    test("spawn() tells the exit code of a child that ends at once", async () => {
      for (const code of [0, 1, 42, 255]) {
        const { exited } = await scene.spawn(["crashes.sh", String(code)]);
        expect(await exited).toEqual({ kind: "code", code });
      }
    });

    test("spawn() tells the signal that ended a child", async () => {
      for (const signal of ["SIGKILL", "SIGTERM", "SIGABRT", "SIGSEGV"]) {
        const { exited } = await scene.spawn(["crashes.sh", signal]);
        expect(await exited).toEqual({ kind: "signal", signal });
      }
    });

    test("spawn() appends stdout and stderr to the file, which nobody else may read", async () => {
      const output = scene.path("spool");
      for (const word of ["one", "two"]) {
        const { exited } = await scene.spawn(["sh", "-c", `echo ${word}; echo ${word}-error >&2`], {
          output,
        });
        await exited;
      }
      expect(await Bun.file(output).text()).toBe("one\none-error\ntwo\ntwo-error\n");
      expect(statSync(output).mode & 0o777).toBe(0o600);
    });

    test("spawn() gives a child its own session, an empty stdin, plain signals and no other file", async () => {
      const hosted = await scene.spawn(["tells.sh"]);
      await hosted.exited;
      const text = textOf(hosted);
      expect(text).toContain("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
      expect(text).toContain("\n0, 1, 2, 3\n");
      const stat = await scene.spawn(["sh", "-c", "cat; cut -d' ' -f5,6 /proc/$$/stat"]);
      await stat.exited;
      expect(textOf(stat)).toBe(`${stat.tree.identity.pid} ${stat.tree.identity.pid}\n`);
    });

    test("spawn() keeps BUN_* and foreign sockets from a child, and tells it its run", async () => {
      const environment = {
        PATH: process.env["PATH"] ?? "",
        BUN_OPTIONS: "--bad",
        LISTEN_FDS: "1",
        KEPT: "a b",
      };
      const hosted = await scene.spawn(["tells.sh"], { environment });
      await hosted.exited;
      const text = textOf(hosted);
      expect(text).not.toMatch(/BUN_|LISTEN_/);
      expect(text).toContain("KEPT=a b");
      expect(text).toContain(`FLEETD_SERVICE_RUN=${hosted.tree.run}`);
    });

    test("spawn() names the program, the folder or the file that is missing", async () => {
      expect(await messageOf(["no-such-program"])).toMatch(
        /^CONFIG: Cannot start "no-such-program": no such program/,
      );
      expect(await messageOf(["sh"], { cwd: "/no/such" })).toMatch(
        /^CONFIG: Cannot start in "\/no\/such": no such folder/,
      );
      expect(await messageOf(["sh"], { cwd: "/etc/passwd" })).toMatch(
        /^CONFIG: .*it is a file, a folder is needed$/,
      );
      expect(await messageOf(["/etc/passwd"])).toMatch(/^CONFIG: .*may not be executed/);
      expect(await messageOf(["/etc"])).toMatch(/^CONFIG: Cannot start "\/etc": it is no file/);
      expect(await messageOf([])).toMatch(/^CONFIG: .*its command is empty/);
      expect(await messageOf(["true"], { output: "/no/such/file" })).toMatch(
        /^IO: Cannot write output to "\/no\/such\/file"/,
      );
      const script = scene.path("script");
      writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 });
      expect(await messageOf([script])).toMatch(/^CONFIG: .*interpreter/);
    });

    test("spawn() looks a program up in the PATH of the environment alone", async () => {
      const message = await messageOf(["sh"], { environment: { PATH: "/no/such:relative" } });
      expect(message).toContain('no such program in PATH "/no/such"');
    });

    test("adopt() follows a living process, and nothing that only has its id", async () => {
      const file = scene.path("end");
      const { tree } = await scene.spawn(["waits.sh", file]);
      expect(scene.host.adopt({ ...tree, identity: { ...tree.identity, start: "other:1" } })).toBeNull();
      expect(
        scene.host.adopt({ ...tree, identity: { pid: 2 ** 22 + 1, start: tree.identity.start } }),
      ).toBeNull();
      expect(scene.host.adopt(tree)?.tree).toEqual(tree);
    });

    test("findRun() finds a start by its token, and none for another", async () => {
      const { tree } = await scene.spawn(["sleep", "1000"]);
      // An environment can be read as soon as the program is in its place.
      await until("it is found", () => scene.host.findRun(tree.run) !== null);
      expect(scene.host.findRun(tree.run)).toEqual(tree);
      expect(scene.host.findRun(crypto.randomUUID())).toBeNull();
    });

    test("members() has children, and grandchildren that detached themselves", async () => {
      const { hosted, pid } = await scene.detached();
      const pids = pidsOf(scene.host.members(hosted.tree));
      expect(pids).toContain(hosted.tree.identity.pid);
      expect(pids).toContain(pid);
      expect(pids).not.toContain(process.pid);
    });

    test("members() keeps trees apart", async () => {
      const [left, right] = [await scene.detached(), await scene.detached()];
      const [ofLeft, ofRight] = [left, right].map(({ hosted }) => pidsOf(scene.host.members(hosted.tree)));
      expect(ofLeft?.filter((pid) => ofRight?.includes(pid))).toEqual([]);
    });

    test("members() is empty when all is over, zombie or not", async () => {
      const { tree, exited } = await scene.spawn(["crashes.sh", "0"]);
      await exited;
      expect(scene.host.members(tree)).toEqual([]);
    });

    test("members() has what detached itself after its main process ended", async () => {
      const { hosted, pid } = await scene.detached("leaves");
      expect(await hosted.exited).toEqual({ kind: "code", code: 0 });
      expect(pidsOf(scene.host.members(hosted.tree))).toContain(pid);
    });

    test.skipIf(!findsForgetful)(
      "members() has what detached itself and forgot its environment",
      async () => {
        const { hosted, pid } = await scene.detached("forgets", "leaves");
        await hosted.exited;
        expect(pidsOf(scene.host.members(hosted.tree))).toContain(pid);
      },
    );

    test("signal() reaches the group, or the main process alone", async () => {
      const both = await scene.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"]);
      await until("it has a child", () => textOf(both) !== "");
      expect(scene.host.signal(both.tree, "SIGTERM", "group")).toBe(true);
      expect(await both.exited).toEqual({ kind: "signal", signal: "SIGTERM" });
      await until("its child ended too", () => scene.host.members(both.tree).length === 0);

      const one = await scene.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"]);
      await until("it has a child", () => textOf(one) !== "");
      expect(scene.host.signal(one.tree, "SIGTERM", "main")).toBe(true);
      expect(await one.exited).toEqual({ kind: "signal", signal: "SIGTERM" });
      expect(pidsOf(scene.host.members(one.tree))).toEqual([Number(textOf(one))]);
      expect(scene.host.signal(one.tree, "SIGTERM", "main")).toBe(false);
      expect(scene.host.signal(one.tree, "SIGTERM", "group")).toBe(true);
      await until("its child ended too", () => scene.host.members(one.tree).length === 0);
      expect(scene.host.signal(one.tree, "SIGTERM", "group")).toBe(false);
    });

    test("signal() reaches all of a tree, also what detached itself", async () => {
      const { hosted, pid } = await scene.detached("leaves");
      await hosted.exited;
      expect(scene.host.signal(hosted.tree, "SIGKILL", "all")).toBe(true);
      await until("it ended", () => scene.host.members(hosted.tree).length === 0);
      expect(scene.host.signal(hosted.tree, "SIGKILL", "all")).toBe(false);
      expect(pid).toBeGreaterThan(1);
    });

    test("signal() refuses this process and those above it, and signals that do not exist", async () => {
      const { tree } = await scene.spawn(["sleep", "1000"]);
      expect(() => scene.host.signal(tree, "SIGNONE", "main")).toThrow("there is no such signal");
      for (const pid of [1, process.pid, process.ppid]) {
        const identity = { ...tree.identity, pid };
        for (const to of ["main", "group", "all"] as const) {
          expect(() => scene.host.signal({ ...tree, identity }, "SIGCONT", to)).toThrow("it is this daemon");
        }
      }
    });

    test("signal() does not reach a process that only has the id", async () => {
      const { tree } = await scene.spawn(["sleep", "1000"]);
      const stranger = { ...tree, run: crypto.randomUUID(), cgroup: null };
      const other = { ...stranger, identity: { ...tree.identity, start: "other:1" } };
      for (const to of ["main", "group", "all"] as const) {
        expect(scene.host.signal(other, "SIGKILL", to)).toBe(false);
      }
      expect(scene.host.members(tree)).toHaveLength(1);
    });

    test("kill() leaves nothing of a tree that ignores TERM and detached itself twice", async () => {
      const { hosted } = await scene.detached();
      scene.host.signal(hosted.tree, "SIGTERM", "all");
      const stubborn = await scene.spawn(["ignores-term.sh"]);
      await until("it ignores", () => textOf(stubborn) !== "");
      scene.host.signal(stubborn.tree, "SIGTERM", "all");
      for (const { tree } of [hosted, stubborn]) {
        expect(await scene.host.kill(tree, 60_000)).toEqual([]);
        expect(scene.host.members(tree)).toEqual([]);
      }
      expect(await stubborn.exited).toEqual({ kind: "signal", signal: "SIGKILL" });
    });

    test("kill() ends what forks faster than it can be counted", async () => {
      const go = scene.path("go");
      await Bun.write(go, "");
      // Others fork, too: that nobody did since a look never holds.
      await scene.spawn(["sh", "-c", "while :; do /bin/true; done"]);
      const { tree } = await scene.spawn(["forks.sh", go]);
      await until("it forks", () => !pidsOf(scene.host.members(tree)).includes(tree.identity.pid));
      expect(await scene.host.kill(tree, 60_000)).toEqual([]);
      const beats = statSync(go).size;
      for (let look = 0; look < 50; look += 1) expect(scene.host.findRun(tree.run)).toBeNull();
      expect(statSync(go).size).toBe(beats);
    });

    test("kill() of what is over answers at once that nothing is left", async () => {
      const { tree, exited } = await scene.spawn(["crashes.sh", "0"]);
      await exited;
      expect(await scene.host.kill(tree, 0)).toEqual([]);
    });

    test("kill() answers when nobody can see the process any more, a zombie included", async () => {
      const { tree } = await scene.spawn(["crashes.sh", "0"]);
      // Standing still, so that it has ended and nothing here was told of it.
      while (!/^State:\tZ/m.test(readFileSync(`/proc/${tree.identity.pid}/status`, "utf8")));
      expect(await scene.host.kill(tree, 60_000)).toEqual([]);
      expect(isAlive(tree.identity.pid)).toBe(false);
    });

    test.skipIf(python === null)("what goes on without its first thread is there, and is ended", async () => {
      const hosted = await scene.spawn([python ?? "", join(PROGRAMS, "ends-first-thread.py")]);
      const { pid } = hosted.tree.identity;
      await until("its first thread has ended", () => {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        return /^State:\tZ/m.test(status) && textOf(hosted) !== "";
      });
      expect(pidsOf(scene.host.members(hosted.tree))).toEqual([pid]);
      if (findsForgetful) {
        expect(scene.host.findRun(hosted.tree.run)?.identity).toEqual(hosted.tree.identity);
      }
      expect(scene.host.signal(hosted.tree, "SIGKILL", "all")).toBe(true);
      expect(await hosted.exited).toEqual({ kind: "signal", signal: "SIGKILL" });
      expect(pidsOf(scene.host.members(hosted.tree))).toEqual([]);
    });

    test("spawn() hands sockets on, with the id of the very process", async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const socket: { fd: number } = Reflect.get(server, "_handle") ?? { fd: -1 };
      const listeners = [socket.fd];
      const hosted = await scene.spawn(["holds-port.ts"], { listeners });
      const address = server.address();
      server.close();
      await until("it listens", () => textOf(hosted).endsWith("\n"));
      expect(JSON.parse(textOf(hosted))).toEqual(address);
    });

    test.skipIf(process.geteuid?.() !== 0)(
      "spawn() as another user has that one's groups, and no way back",
      async () => {
        const hosted = await scene.spawn(["tells.sh"], { user: "daemon", cwd: "/" });
        expect(await hosted.exited).toEqual({ kind: "code", code: 0 });
        const text = textOf(hosted);
        const id = (flag: string): string => Bun.spawnSync(["id", flag, "daemon"]).stdout.toString();
        expect(text.startsWith(`${id("-u")}${id("-g")}${id("-G")}`)).toBe(true);
        expect(text).toContain("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
        expect(text).toContain("\n0, 1, 2, 3\n");
        expect(text).not.toMatch(/FLEETD_EXEC|BUN_/);
        expect(statSync(hosted.output).uid).toBe(Number(id("-u")));
        const again = await scene.spawn(["sh", "-c", "exec 3>/dev/stdout && echo third >&3"], {
          user: "daemon",
          cwd: "/",
        });
        await again.exited;
        expect(textOf(again)).toBe("third\n");
      },
    );

    test.skipIf(process.geteuid?.() !== 0)("spawn() says why it cannot be as another user", async () => {
      expect(await messageOf(["true"], { user: "no-such-user" })).toBe(
        'CONFIG: Cannot start as user "no-such-user": there is no such user',
      );
      expect(await messageOf(["true"], { group: "no-such-group" })).toContain("there is no such group");
      expect(await messageOf(["true"], { user: "4242" })).toContain("name a group too");
      // The folder of this test is for its owner alone.
      expect(await messageOf(["true"], { user: "daemon" })).toBe(
        `CONFIG: Cannot start in "${scene.folder}": permission denied`,
      );
      const hosted = await scene.spawn(["tells.sh"], { user: "4242", group: "4343", cwd: "/" });
      await hosted.exited;
      expect(textOf(hosted).startsWith("4242\n4343\n4343\n")).toBe(true);
    });

    test("forget() takes the control group away", async () => {
      const { tree, exited } = await scene.spawn(["crashes.sh", "0"]);
      await exited;
      scene.host.forget(tree);
      expect(tree.cgroup === null || !existsSync(tree.cgroup)).toBe(true);
    });
  });
}
