import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProbeAnswer, ProbeQuestion } from "../../../../src/base/ports/prober.ts";
import { systemProber } from "../../../../src/platform/prober/prober.ts";
import { processesOfGroup } from "../../../helpers/temp-git.ts";

const WAIT_MS = 30_000;
const folder = mkdtempSync(join(tmpdir(), "fleetd-prober-"));
const fixture = join(import.meta.dir, "../../../fixtures/probes/service.ts");
let service: Bun.Subprocess;
let port = 0;
const never = new AbortController().signal;
const http = (path: string, rest: Partial<Extract<ProbeQuestion, { kind: "http" }>> = {}): ProbeQuestion => ({
  kind: "http",
  host: "127.0.0.1",
  port,
  path,
  headers: {},
  statuses: null,
  ...rest,
});
const ask = (question: ProbeQuestion, timeoutMs = WAIT_MS): Promise<ProbeAnswer> =>
  systemProber.ask(question, timeoutMs, never);

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error("it did not come to pass");
    await Bun.sleep(10);
  }
}

const read = (name: string): string =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "";

beforeAll(async () => {
  service = Bun.spawn([process.execPath, fixture, folder, "500"], { stdio: ["ignore", "ignore", "inherit"] });
  await until(() => read("port") !== "");
  port = Number(read("port"));
});

afterAll(async () => {
  service.kill("SIGKILL");
  await service.exited;
  rmSync(folder, { recursive: true, force: true });
});

describe("systemProber over http", () => {
  test("a service that becomes ready late is not well until it is", async () => {
    const seen: string[] = [];
    await until(() => existsSync(join(folder, "ready")));
    for (;;) {
      const { isWell, detail } = await ask(http("/"));
      seen.push(detail);
      if (isWell) break;
      await Bun.sleep(10);
    }
    expect(seen.at(-1)).toBe("HTTP 200 OK");
  });

  test("a redirect is an answer, and is not followed", async () => {
    expect(await ask(http("/elsewhere"))).toMatchObject({ isWell: true });
    expect(await ask(http("/elsewhere", { statuses: [200] }))).toMatchObject({
      isWell: false,
      detail: "HTTP 302 Found",
    });
  });

  test("headers are sent", async () => {
    expect((await ask(http("/headers"))).isWell).toBe(false);
    expect((await ask(http("/headers", { headers: { "X-Key": "k" } }))).isWell).toBe(true);
  });

  test("a service that never answers is given up", async () => {
    expect(await ask(http("/never"), 200)).toEqual({ isWell: false, detail: "no answer within 200 ms" });
  });

  test("an abort ends the wait", async () => {
    const stop = new AbortController();
    const answer = systemProber.ask(http("/never"), WAIT_MS, stop.signal);
    stop.abort();
    expect((await answer).isWell).toBe(false);
    expect((await systemProber.ask(http("/"), WAIT_MS, stop.signal)).isWell).toBe(false);
  });

  test.each(["SSH-2.0-x\r\n", `${"x".repeat(5_000)}`, "HTTP/1.1 999 x\r\n"])(
    "what is no HTTP is refused",
    async (words) => {
      const liar = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { data: () => undefined, open: (socket) => void socket.write(words) },
      });
      expect((await ask(http("/", { port: liar.port }))).isWell).toBe(false);
      liar.stop(true);
    },
  );
});

describe("systemProber over tcp", () => {
  test("a listener is well, also on IPv6, and nobody is not", async () => {
    const six = Bun.listen({ hostname: "::1", port: 0, socket: { data: () => undefined } });
    expect(await ask({ kind: "tcp", host: "127.0.0.1", port })).toMatchObject({ isWell: true });
    expect(await ask({ kind: "tcp", host: "::1", port: six.port })).toMatchObject({ isWell: true });
    six.stop(true);
    expect((await ask({ kind: "tcp", host: "::1", port: six.port })).isWell).toBe(false);
  });
});

describe("systemProber by a program", () => {
  const exec = (...command: string[]): ProbeQuestion => ({
    kind: "exec",
    command,
    cwd: folder,
    environment: { PATH: process.env["PATH"] ?? "", GREETING: "hello" },
  });

  test("exit code 0 is well, and what it wrote is told", async () => {
    expect(await ask(exec("sh", "-c", "echo $GREETING; pwd"))).toEqual({
      isWell: true,
      detail: `exit code 0: hello\n${folder}`,
    });
    expect(await ask(exec("sh", "-c", "echo no >&2; exit 3"))).toEqual({
      isWell: false,
      detail: "exit code 3: no",
    });
  });

  test("words are never read by a shell", async () => {
    expect((await ask(exec("echo", "$GREETING; exit 1"))).detail).toBe("exit code 0: $GREETING; exit 1");
  });

  test("a flood is bounded", async () => {
    expect(
      (await ask(exec("sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x"))).detail.length,
    ).toBeLessThan(400);
  });

  test("a program that is not there, and a folder that is not, are answers", async () => {
    expect((await ask(exec("no-such-program"))).detail).toContain('no program "no-such-program"');
    expect((await ask({ ...exec("true"), cwd: "/no/such/folder" } as ProbeQuestion)).isWell).toBe(false);
  });

  test("one that takes too long is not well", async () => {
    expect(await ask(exec("sleep", "1000"), 300)).toEqual({
      isWell: false,
      detail: "no answer within 300 ms",
    });
  });

  let group = 0;
  afterEach(() => {
    for (const { pid, state } of group > 0 ? processesOfGroup(group) : []) {
      if (state !== "Z") process.kill(pid, "SIGKILL");
    }
    group = 0;
  });

  test("one that is given up is ended with everything it started", async () => {
    writeFileSync(join(folder, "slow.sh"), "sleep 1000 & echo $$ > own; wait");
    const stop = new AbortController();
    const answer = systemProber.ask(exec("sh", "slow.sh"), WAIT_MS, stop.signal);
    await until(() => read("own").endsWith("\n"));
    group = Number(read("own"));
    const running = (): number[] =>
      processesOfGroup(group).flatMap(({ pid, state }) => (state === "Z" ? [] : [pid]));
    expect(running()).toHaveLength(2);
    stop.abort();
    expect((await answer).isWell).toBe(false);
    expect(running()).toEqual([]);
  });
});
