import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import type { HandlerCall } from "../../../src/base/ports/handler-runner.ts";
import { openHandlerRunner } from "../../../src/platform/handler-process.ts";
import { startOfProcess } from "../../../src/platform/process-identity.ts";
import { eventually, processesOfGroup, TempGit } from "../../helpers/temp-git.ts";

const isPosix = process.platform !== "win32";
const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: what is left of a handler is found by its environment: needs Linux");

const temp = new TempGit();
afterAll(() => temp.remove());
const folder = temp.path("handlers");
const runner = openHandlerRunner(folder, { PATH: process.env["PATH"], BUN_OPTIONS: "--smol", SECRET: "x" });
let tokens = 0;
const call = (command: readonly string[], changes: Partial<HandlerCall> = {}): HandlerCall => {
  tokens += 1;
  return {
    command,
    input: toUtf8("input"),
    variables: { FLEETD_FROM: "code2" },
    token: `token-${process.pid}-${tokens}`,
    outputBytesMax: 1000,
    timeoutMs: 30_000,
    signal: new AbortController().signal,
    onStarted: () => undefined,
    ...changes,
  };
};
const sh = (script: string, ...words: string[]): string[] => ["sh", "-c", script, "sh", ...words];
/** What a child in the background is asked to be. */
const isGone = (pid: number): boolean => !processesOfGroup(pid).some((one) => one.state !== "Z");

describe.skipIf(!isPosix)("openHandlerRunner().run()", () => {
  test("gives stdin, variables and a token, and answers output and exit code", async () => {
    const one = call(sh('cat; echo " $FLEETD_FROM $FLEETD_RUN [$SECRET$BUN_OPTIONS]"; echo no >&2; exit 7'));
    const outcome = await runner.run(one);
    expect(outcome).toMatchObject({ ended: "exited", exitCode: 7, isCut: false, stderr: "no\n" });
    const text = outcome.ended === "exited" ? fromUtf8(outcome.stdout) : "";
    expect(text).toBe(`input code2 ${one.token} []\n`);
  });

  test("takes words as they are", async () => {
    const outcome = await runner.run(call(["printf", "%s|", "$HOME", "a b", "; exit 1", "*"]));
    expect(outcome.ended === "exited" ? fromUtf8(outcome.stdout) : "").toBe("$HOME|a b|; exit 1|*|");
  });

  test("works in an empty folder of its own that is gone afterwards", async () => {
    const outcome = await runner.run(call(sh("pwd; ls -A; touch left")));
    const [place = "", ...others] = (outcome.ended === "exited" ? (fromUtf8(outcome.stdout) ?? "") : "")
      .trim()
      .split("\n");
    expect(place).toContain("/handlers-1/");
    expect(others).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("says which process there is, and when it was started", async () => {
    const seen: unknown[] = [];
    await runner.run(call(["true"], { onStarted: (one) => seen.push(one) }));
    expect(seen).toEqual([
      {
        pid: expect.any(Number),
        pidStarted: isLinux ? expect.stringMatching(/^[0-9a-f-]+:\d+$/) : expect.anything(),
      },
    ]);
  });

  test("cuts what is too much and lets it end by itself", async () => {
    const outcome = await runner.run(call(sh("yes | head -c 300000")));
    expect(outcome).toMatchObject({ ended: "exited", exitCode: 0, isCut: true });
    expect(outcome.ended === "exited" ? outcome.stdout.length : 0).toBe(1000);
  });

  test("counts a signal as 128 and its number", async () => {
    expect(await runner.run(call(sh("kill -KILL $$")))).toMatchObject({ ended: "exited", exitCode: 137 });
  });

  test("ends what a handler left in its group", async () => {
    const file = temp.path("left");
    const one = call(sh('sleep 600 & echo $! > "$1"; echo done', file));
    const outcome = await runner.run(one);
    expect(outcome).toMatchObject({ ended: "exited", exitCode: 0 });
    const pid = Number(readFileSync(file, "utf8"));
    expect(await eventually(() => startOfProcess(pid) === null || isGone(pid), 60_000)).toBe(true);
  });

  test.each(["timeout", "aborted"] as const)("ends the whole group: %s", async (why) => {
    let group = 0;
    const stop = new AbortController();
    const outcome = await runner.run(
      call(sh("trap '' TERM; sleep 600 & sleep 600 & wait"), {
        timeoutMs: why === "timeout" ? 100 : 60_000,
        signal: stop.signal,
        onStarted: ({ pid }) => {
          group = pid;
          if (why === "aborted") setTimeout(() => stop.abort(), 50);
        },
      }),
    );
    expect(outcome).toEqual({ ended: why, stderr: "" });
    expect(isGone(group)).toBe(true);
  });

  test("does not start when it is too late", async () => {
    const outcome = await runner.run(call(["true"], { signal: AbortSignal.abort() }));
    expect(outcome.ended).toBe("aborted");
  });

  test.each<[string, () => readonly string[]]>([
    ["a program that is missing", () => ["/nowhere/program"]],
    ["a name that is not on the PATH", () => ["no-such-program-here"]],
    [
      "a file that may not be run",
      () => {
        const file = temp.path("plain");
        writeFileSync(file, "echo hi\n", { mode: 0o644 });
        return [file];
      },
    ],
  ])("says that %s cannot be run", async (_, command) => {
    const outcome = await runner.run(call(command()));
    expect(outcome).toMatchObject({ ended: "impossible", reason: expect.stringContaining("may be run") });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.skipIf(!isLinux)("openHandlerRunner().endLeft()", () => {
  /** A process as a daemon that died would have left it. */
  const leave = (token: string) =>
    Bun.spawn(["sleep", "600"], { env: { PATH: process.env["PATH"], FLEETD_RUN: token }, detached: true });
  const environmentOf = (pid: number): string => readFileSync(`/proc/${pid}/environ`, "latin1");
  const startOf = (pid: number): string => startOfProcess(pid) ?? "";

  test("ends a process by token and id, with its folder", async () => {
    const left = leave("token-a");
    const place = `${folder}/token-a`;
    writeFileSync(temp.path("x"), "");
    await Bun.write(`${place}/file`, "x");
    const found = { token: "token-a", pid: left.pid, pidStarted: startOf(left.pid) };
    expect(await runner.endLeft(found)).toBe(true);
    expect(left.signalCode ?? (await left.exited.then(() => left.signalCode))).toBe("SIGTERM");
    expect(existsSync(place)).toBe(false);
    expect(await runner.endLeft(found)).toBe(false);
  });

  test("ends a process whose id the daemon could not note any more", async () => {
    const left = leave("token-b");
    // A program that is just being loaded has no environment yet.
    await eventually(() => environmentOf(left.pid).includes("FLEETD_RUN=token-b"), 60_000);
    expect(await runner.endLeft({ token: "token-b", pid: null, pidStarted: null })).toBe(true);
    await left.exited;
  });

  test("leaves alone who only has the id, or only the token", async () => {
    const other = leave("token-other");
    expect(await runner.endLeft({ token: "token-c", pid: other.pid, pidStarted: startOf(other.pid) })).toBe(
      false,
    );
    expect(await runner.endLeft({ token: "token-other", pid: other.pid + 1, pidStarted: "x" })).toBe(false);
    expect(other.exitCode).toBeNull();
    other.kill();
    await other.exited;
  });
});

describe.skipIf(!isPosix)("startOfProcess()", () => {
  test("startOfProcess() is the same text as long as a process lives, and null for none", () => {
    expect(startOfProcess(process.pid)).toBe(startOf());
    expect(startOfProcess(2 ** 30)).toBeNull();
  });
  const startOf = (): string | null => startOfProcess(process.pid);
});
