// Ports and processes as an operator meets them: the compiled executable, real sockets, real signals.
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { Holders } from "../helpers/listening.ts";
import { type Answer, FLEETD, TempFleet } from "../helpers/temp-fleet.ts";

const fleet = new TempFleet();
const holders = new Holders();
afterEach(() => holders.close());
afterAll(() => fleet.remove());

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: what fleetd started as a service is only told by Linux");

const run = (...words: string[]) => fleet.run(words);
async function json(words: readonly string[]): Promise<{ readonly code: number; readonly answer: Answer }> {
  const ran = await fleet.run([...words, "--json"]);
  if (ran.stdout === "") throw new Error(`${words.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
  return { code: ran.code, answer: JSON.parse(ran.stdout) as Answer };
}
const PORT_SCHEMA = "fleetd.port/1";

describe("fleetd port PORT", () => {
  test.each(["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])(
    "tells who listens on %s",
    async (address) => {
      const holder = await holders.start({ address });
      const { code, answer } = await json(["port", String(holder.port)]);
      expect(code).toBe(0);
      expect(answer).toMatchObject({
        schema: PORT_SCHEMA,
        port: holder.port,
        listeners: [{ protocol: "tcp", address, port: holder.port, owners: [{ pid: holder.pid }] }],
      });
      const page = await run("port", String(holder.port));
      expect(page.stdout).toContain(String(holder.pid));
      expect(page.stdout).toContain(address);
    },
  );

  test("tells of UDP, and --protocol leaves it out", async () => {
    const holder = await holders.start({ protocol: "udp" });
    expect(await json(["port", String(holder.port)])).toMatchObject({
      code: 0,
      answer: { listeners: [{ protocol: "udp", owners: [{ pid: holder.pid }] }] },
    });
    expect(await json(["port", String(holder.port), "--protocol", "tcp"])).toMatchObject({
      code: 1,
      answer: { listeners: [] },
    });
  });

  test("ends with 1 where nobody listens", async () => {
    const holder = await holders.start();
    await holders.close();
    expect(await json(["port", String(holder.port)])).toMatchObject({ code: 1, answer: { listeners: [] } });
    expect((await run("port", String(holder.port))).stdout).toBe(`Nobody listens on port ${holder.port}\n`);
  });

  test("port list has every port", async () => {
    const two = [await holders.start(), await holders.start({ address: "::1" })];
    const { code, answer } = await json(["port", "list"]);
    expect(code).toBe(0);
    const ports = (answer["listeners"] as { port: number }[]).map(({ port }) => port);
    for (const { port } of two) expect(ports).toContain(port);
  });

  test.each(["0", "65536", "8080a", "80.5", "1e3", "free 0", "free 99999 --yes", "wait http", "show tcp"])(
    "refuses port %s before anything runs",
    async (words) => {
      const ran = await run("port", ...words.split(" "));
      expect(ran.code).toBe(64);
      expect(ran.stderr).toContain("from 1 to 65535");
      expect(ran.stdout).toBe("");
    },
  );

  test("takes a word that is no port for a command nobody knows", async () => {
    const ran = await run("port", "lisst");
    expect(ran.code).toBe(64);
    expect(ran.stderr).toContain("port list");
  });
});

describe("fleetd port wait", () => {
  test("ends as soon as somebody listens", async () => {
    const { port } = await holders.start();
    await holders.close();
    const waiting = fleet.start(["port", "wait", String(port), "--timeout", "120s", "--json"]);
    await waiting.printed(`somebody to listen on port ${port}`);
    const holder = await holders.start({ port });
    const ended = await waiting.ended();
    expect(ended.code).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      schema: "fleetd.port.wait/1",
      port,
      reached: true,
      listeners: [{ owners: [{ pid: holder.pid }] }],
    });
  });

  test("--free ends as soon as nobody does", async () => {
    const { port } = await holders.start();
    const waiting = fleet.start(["port", "wait", String(port), "--free", "--timeout", "120s"]);
    await waiting.printed(`port ${port} to become free`);
    await holders.close();
    expect(await waiting.ended()).toMatchObject({ code: 0, stdout: expect.stringContaining("is free") });
  });

  test("ends with 75 when the time is up, and tells progress on stderr alone", async () => {
    const { port } = await holders.start();
    const ran = await run("port", "wait", String(port), "--free", "--timeout", "300ms");
    expect(ran).toMatchObject({ code: 75, stdout: "" });
    expect(ran.stderr).toContain("still listened on");
    expect(await json(["port", "wait", String(port), "--free", "--timeout", "0"])).toMatchObject({
      code: 75,
      answer: { reached: false },
    });
  });
});

describe.skipIf(!isLinux)("fleetd port free", () => {
  test("ends what fleetd started, and the port is free", async () => {
    const holder = await holders.startOurs();
    const { code, answer } = await json(["port", "free", String(holder.port), "--yes"]);
    expect(code).toBe(0);
    expect(answer).toMatchObject({
      outcome: "killed",
      owners: [{ pid: holder.pid, outcome: "killed", needed_kill: false }],
      left: [],
      dry_run: false,
    });
    await holder.exited;
    expect((await run("port", String(holder.port))).code).toBe(1);
  });

  test("ends all owners of a shared socket, also one that ignores TERM", async () => {
    const holder = await holders.startOurs({ heirs: 2, ignoreTerm: true });
    const ran = await run("port", "free", String(holder.port), "--yes", "--timeout", "200ms");
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain("ignored TERM");
    expect(ran.stdout.match(/^Ended /gm)).toHaveLength(3);
    expect((await run("port", String(holder.port))).code).toBe(1);
  });

  test("says who would be ended with --dry-run, and needs --yes", async () => {
    const holder = await holders.startOurs();
    const port = String(holder.port);
    expect(await run("port", "free", port, "--dry-run")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Would end ${holder.pid}`),
    });
    expect(await run("port", "free", port)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining(`${holder.pid}`),
    });
    expect(holder.hasEnded()).toBe(false);
  });

  // The original's clean-up ended strangers.
  test("leaves alone what fleetd did not start, unless it is forced", async () => {
    const holder = await holders.start();
    const port = String(holder.port);
    const refused = await run("port", "free", port, "--yes");
    expect(refused.code).toBe(77);
    expect(refused.stderr).toContain("--force");
    expect(await json(["port", "free", port, "--yes"])).toMatchObject({
      code: 77,
      answer: { outcome: "not-ours", owners: [{ pid: holder.pid, outcome: "not-ours" }] },
    });
    expect(holder.hasEnded()).toBe(false);
    expect(await json(["port", "free", port, "--yes", "--force"])).toMatchObject({
      code: 0,
      answer: { outcome: "killed" },
    });
    await holder.exited;
  });

  // The original took a client of the port for one of its owners.
  test("leaves the clients of a port alone", async () => {
    const holder = await holders.startOurs();
    const client = holders.spawn([
      process.execPath,
      "-e",
      `require("node:net").connect(${holder.port}, "127.0.0.1").on("error", () => {}); setInterval(() => {}, 1000);`,
    ]);
    expect((await run("port", "free", String(holder.port), "--yes")).code).toBe(0);
    expect(client.exitCode).toBeNull();
    expect(client.signalCode).toBeNull();
  });

  test("is content with a port that is free", async () => {
    const { port } = await holders.start();
    await holders.close();
    expect(await json(["port", "free", String(port)])).toMatchObject({
      code: 0,
      answer: { outcome: "not-found", owners: [] },
    });
  });

  // The original ended itself when it owned the port.
  test("never ends what it came of, also with --force", async () => {
    const script = `
      const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
      const child = Bun.spawnSync([${JSON.stringify(FLEETD)}, "port", "free", String(server.port), "--yes", "--force", "--json"]);
      console.log(JSON.stringify({ code: child.exitCode, answer: JSON.parse(child.stdout.toString()) }));
      process.exit(0);`;
    const parent = Bun.spawn([process.execPath, "-e", script], {
      env: { ...fleet.environment, FLEETD_SERVICE_RUN: "run" },
      stdout: "pipe",
    });
    expect(await new Response(parent.stdout).json()).toMatchObject({
      code: 77,
      answer: { outcome: "forbidden", owners: [{ pid: parent.pid, forbidden_by: "ancestor" }] },
    });
    expect(await parent.exited).toBe(0);
  });
});

describe.skipIf(!isLinux)("fleetd kill --pid", () => {
  test("ends what fleetd started", async () => {
    const holder = await holders.startOurs();
    const { code, answer } = await json(["kill", "--pid", String(holder.pid)]);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ schema: "fleetd.kill/1", outcome: "killed", pid: holder.pid });
    expect(await holder.exited).not.toBe(0);
  });

  test("kills what ignores TERM once its time is up", async () => {
    const holder = await holders.startOurs({ ignoreTerm: true });
    expect(await json(["kill", "--pid", String(holder.pid), "--timeout", "100ms"])).toMatchObject({
      code: 0,
      answer: { outcome: "killed", needed_kill: true },
    });
    await holder.exited;
  });

  test("leaves alone what fleetd did not start, unless it is forced; --dry-run ends nothing", async () => {
    const holder = await holders.start();
    const pid = String(holder.pid);
    expect(await json(["kill", "--pid", pid])).toMatchObject({ code: 77, answer: { outcome: "not-ours" } });
    expect((await run("kill", "--pid", pid, "--force", "--dry-run")).stdout).toContain(`Would end ${pid}`);
    expect(holder.hasEnded()).toBe(false);
    expect((await run("kill", "--pid", pid, "--force")).code).toBe(0);
    await holder.exited;
  });

  // The original answered true for a pid that nobody has.
  test("ends with 1 for a pid that nobody has", async () => {
    expect(await json(["kill", "--pid", "1073741824", "--force"])).toMatchObject({
      code: 1,
      answer: { outcome: "not-found" },
    });
  });

  test("never ends pid 1 or what it came of, also with --force", async () => {
    expect(await json(["kill", "--pid", "1", "--force"])).toMatchObject({
      code: 77,
      answer: { outcome: "forbidden", forbidden_by: "init" },
    });
    expect(await json(["kill", "--pid", String(process.pid), "--force"])).toMatchObject({
      code: 77,
      answer: { outcome: "forbidden", forbidden_by: "ancestor" },
    });
  });

  test.each(["0", "-1", "1.5", "abc", ""])("refuses --pid=%s", async (pid) => {
    expect((await run("kill", `--pid=${pid}`, "--force")).code).toBe(64);
  });
});
