import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const FIXTURE = join(import.meta.dir, "../../helpers/fixtures/cli.ts");
const MAIN = join(import.meta.dir, "../../../src/main.ts");
const isPosix = process.platform !== "win32";
const posix = isPosix ? "" : " (skipped: Windows sends no signals)";

function start(entry: string, ...words: string[]) {
  return Bun.spawn([process.execPath, entry, ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

async function finish(child: ReturnType<typeof start>) {
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

// Sends `signals`, the first when the child said that it is ready, each next one when it printed again.
async function interruptChild(command: string, ...signals: ("SIGINT" | "SIGTERM")[]) {
  const child = start(FIXTURE, command);
  const left = [...signals];
  let stdout = "";
  for await (const chunk of child.stdout) {
    stdout += new TextDecoder().decode(chunk);
    const signal = left.shift();
    if (signal !== undefined) child.kill(signal);
  }
  return { stdout, stderr: await new Response(child.stderr).text(), exitCode: await child.exited };
}

describe("runCli() in a process", () => {
  test("runCli() loses nothing of 1 MB through a pipe and waits for no forgotten handle", async () => {
    const { stdout, exitCode } = await finish(start(FIXTURE, "big", "--json"));
    expect(stdout.length).toBeGreaterThan(1_000_000);
    expect(JSON.parse(stdout)).toMatchObject({ schema: "fleetd.big/1" });
    expect(exitCode).toBe(3);
  });

  test("openAnswerStream() loses nothing of 1 MB through a pipe", async () => {
    const { stdout, exitCode } = await finish(start(FIXTURE, "big-stream"));
    expect(JSON.parse(stdout).text.length).toBe(1_000_000);
    expect(exitCode).toBe(0);
  });

  test.if(isPosix)(`runCli() ends quietly with 0 when the reader leaves${posix}`, async () => {
    const shell = `"$0" "$1" flood | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["bash", "-c", shell, process.execPath, FIXTURE], {
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await finish(child)).toEqual({ stdout: "line\n0\n", stderr: "", exitCode: 0 });
  });

  test.if(isPosix).each([
    ["wait", "SIGINT", 130],
    ["wait", "SIGTERM", 143],
  ] as const)(
    `runCli() lets %p clean up after %p and ends with %p${posix}`,
    async (command, signal, exitCode) => {
      const ended = await interruptChild(command, signal);
      expect(ended).toEqual({ stdout: "ready\ncleaned up\n", stderr: "", exitCode });
    },
  );

  test.if(isPosix)(`runCli() reports nothing when the failure is the interruption${posix}`, async () => {
    expect(await interruptChild("wait-throwing", "SIGINT")).toEqual({
      stdout: "ready\n",
      stderr: "",
      exitCode: 130,
    });
  });

  test.if(isPosix)(`commandSignal() ends a deaf command at the second signal${posix}`, async () => {
    const ended = await interruptChild("deaf", "SIGINT", "SIGTERM");
    expect(ended).toMatchObject({ stdout: "ready\nheard\n", exitCode: 143 });
  });
});

describe("main.ts", () => {
  test("main.ts answers and refuses with the exit code of the answer", async () => {
    const [version, unknown] = await Promise.all([
      finish(start(MAIN, "--version")),
      finish(start(MAIN, "toString", "--json")),
    ]);
    expect(version).toEqual({ stdout: "0.0.0-dev\n", stderr: "", exitCode: 0 });
    expect(unknown).toMatchObject({ stdout: "", exitCode: 64 });
    expect(JSON.parse(unknown.stderr)).toMatchObject({ schema: "fleetd.error/1", code: "USAGE", exit: 64 });
  });
});
