// A remote that hangs, crawls, cuts or refuses, as a daemon with real git meets it. A proxy stands between the daemon
// and the remote, and every git that the daemon starts is counted.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createControlClient } from "../../src/http/client/control-client.ts";
import type { RemoteStatus } from "../../src/http/protocol.ts";
import { serverPaths } from "../../src/platform/paths.ts";
import { FaultyProxy } from "../helpers/faulty-proxy.ts";
import { type GitServer, startGitDaemon } from "../helpers/git-servers.ts";
import { type Answer, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, processesWith } from "../helpers/temp-git.ts";

const WITHIN_MS = 60_000;
/**
 * Defaults divided by 100 where that leaves git enough time on a loaded machine: a probe that is too slow for its
 * deadline is one that failed. Open for so long that only the network ends it.
 */
const SETTINGS = `
interval: 100ms
timeouts: {fetch: 4s, push: 4s, network: 2s}
retry: {retries: 0, first: 20ms, longest: 80ms}
breaker: {failures: 3, open_for: 10m, successes: 2}
`;

let fleet: TempFleet;
let server: GitServer | null = null;
let proxy: FaultyProxy;
let env: Record<string, string>;
let monitor: Running;
let log = "";
beforeEach(async () => {
  fleet = new TempFleet();
  server = await startGitDaemon(fleet.git);
  if (server === null) return;
  proxy = await FaultyProxy.start(server.port);
  const name = fleet.git.bare().slice(fleet.git.folder.length);
  const config = `${fleet.git.folder}/fleetd.yaml`;
  writeFileSync(config, SETTINGS);
  env = { FLEETD_CONFIG: config, PATH: countingPath() };
  await fleet.text(["init", "--server", "code1", "--remote", `git://127.0.0.1:${proxy.port}${name}`], {
    env,
  });
  await fleet.text(["init", "--server", "code2", "--remote", `${server.url}${name}`]);
  monitor = await fleet.monitor("code1", [], { env });
  await until((status) => status.cycles.succeeded > 1 && status.down === null);
}, WITHIN_MS);
afterEach(async () => {
  await fleet.remove();
  if (server === null) return;
  await proxy.stop();
  await server.stop();
}, WITHIN_MS);

/** A folder with a `git` that writes a line for each start and then is git. */
function countingPath(): string {
  const folder = fleet.git.path("bin");
  log = `${folder}/started`;
  mkdirSync(folder);
  const real = Bun.which("git") ?? "git";
  writeFileSync(`${folder}/git`, `#!/bin/sh\necho "$*" >> '${log}'\nexec '${real}' "$@"\n`);
  chmodSync(`${folder}/git`, 0o755);
  return `${folder}:${process.env["PATH"] ?? ""}`;
}

/** How many git were started towards the remote. */
const gitsStarted = (): number =>
  existsSync(log) ? readFileSync(log, "utf8").split(`127.0.0.1:${proxy.port}`).length - 1 : 0;
/** What git started towards the remote and what git started in turn. */
const gitsRunning = (): number[] => processesWith(`127.0.0.1:${proxy.port}`);

async function remote(): Promise<RemoteStatus> {
  return (await createControlClient(serverPaths(fleet.root, "code1").socket).status()).remote;
}

async function until(holds: (status: RemoteStatus) => boolean): Promise<RemoteStatus> {
  const deadlineMs = performance.now() + WITHIN_MS;
  for (;;) {
    const status = await remote();
    if (holds(status)) return status;
    if (performance.now() > deadlineMs) throw new Error(`It did not come: ${JSON.stringify(status)}`);
    await Bun.sleep(20);
  }
}

/** Sends, and the daemon knows that the remote is away. */
async function sendAway(body: string): Promise<void> {
  const sent = await fleet.run(["send", body, "--to", "code2"], { as: "code1", env });
  expect(sent).toMatchObject({ code: 75, stdout: expect.stringContaining("is queued; it is safe here") });
  // Only a send that does not wait says so.
  expect(sent.stderr).toMatch(/^fleetd: the remote has been away for [^:]+: ./m);
}

async function inboxOfCode2(): Promise<unknown[]> {
  const { messages } = await fleet.json(["inbox", "--limit", "100"], { as: "code2" });
  return (messages as Answer[]).map((message) => message["body"]).reverse();
}

async function arrived(bodies: readonly string[]): Promise<void> {
  await until((status) => status.breaker.state === "closed" && status.down === null);
  const deadlineMs = performance.now() + WITHIN_MS;
  while ((await inboxOfCode2()).length < bodies.length && performance.now() < deadlineMs) await Bun.sleep(50);
  expect(await inboxOfCode2()).toEqual([...bodies]);
}

/** Several looks later nothing was started, and nothing runs. */
async function startsNothing(): Promise<void> {
  const before = gitsStarted();
  const { breaker, check } = await remote();
  const isLater = ({ check: now }: RemoteStatus): boolean => (now?.atWallMs ?? 0) > (check?.atWallMs ?? 0);
  const then = await until(
    (status) => isLater(status) && status.breaker.counts.rejected >= breaker.counts.rejected + 5,
  );
  expect(then.breaker).toMatchObject({ state: "open", causes: expect.any(Array) });
  expect(gitsStarted()).toBe(before);
  // What was started before may be on its way out.
  expect(await eventually(() => gitsRunning().length === 0, WITHIN_MS)).toBe(true);
}

describe("a remote that takes connections and does not work", () => {
  const faults: readonly (readonly [string, (proxy: FaultyProxy) => Promise<void>])[] = [
    ["accepts and says nothing", (one) => one.be("hang")],
    ["says one byte a second", (one) => one.be("slow")],
    ["cuts every connection after 100 bytes", (one) => one.cutAfter(100)],
  ];

  test.each(faults)(
    "%s: the breaker opens, no git is left, and what was sent arrives once and in order",
    async (_, begin) => {
      if (server === null) return;
      await fleet.text(["send", "before", "--to", "code2"], { as: "code1", env });
      await begin(proxy);
      const failedBefore = (await remote()).cycles.failed;
      await until((status) => status.down !== null);
      await sendAway("first");
      const open = await until((status) => status.breaker.state === "open");
      expect(open.cycles.failed - failedBefore).toBeGreaterThanOrEqual(3);
      expect(open.breaker.refusesForMs).toBeGreaterThan(0);
      for (const body of ["second", "third"]) await sendAway(body);
      await startsNothing();
      // The network goes and comes back: that is news, and a probe goes at once.
      await proxy.be("refuse");
      await until((status) => status.check?.ok === false);
      await startsNothingWhileRefused();
      await sendAway("fourth");
      await proxy.be("pass");
      await arrived(["before", "first", "second", "third", "fourth"]);
      const events = (await monitor.stop()).stdout;
      expect(events.match(/breaker {2}open/g)).toHaveLength(1);
      expect(events.match(/breaker {2}closed/g)).toHaveLength(1);
      expect(gitsRunning()).toEqual([]);
    },
    120_000,
  );

  test("a send that the daemon took before it knew answers 75 as soon as it knows", async () => {
    if (server === null) return;
    await fleet.text(["send", "before", "--to", "code2"], { as: "code1", env });
    await proxy.be("refuse");
    const ran = await fleet.run(["send", "now", "--to", "code2"], { as: "code1", env });
    expect(ran).toMatchObject({ code: 75, stdout: expect.stringContaining("is queued; it is safe here") });
    expect(ran.stderr).toContain("the remote has been away for");
    await proxy.be("pass");
    await arrived(["before", "now"]);
  }, 60_000);

  async function startsNothingWhileRefused(): Promise<void> {
    const before = gitsStarted();
    const { check } = await remote();
    await until((status) => (status.check?.atWallMs ?? 0) > (check?.atWallMs ?? 0) + 300);
    expect(gitsStarted()).toBe(before);
  }

  test("the daemon that is told to stop while git hangs ends at once and leaves none", async () => {
    if (server === null) return;
    await proxy.be("hang");
    await until((status) => status.down !== null);
    const ended = await monitor.stop();
    expect(ended.code).toBe(143);
    expect(gitsRunning()).toEqual([]);
  }, 60_000);
});

describe("a remote that nobody listens for", () => {
  test("no git is started once the check has failed, and the first good one delivers", async () => {
    if (server === null) return;
    await proxy.be("refuse");
    await until((status) => status.check?.ok === false);
    const started = gitsStarted();
    await sendAway("first");
    const open = await until((status) => status.breaker.state === "open");
    const cause = `Cannot connect to 127.0.0.1:${proxy.port}: connection refused`;
    expect(open.breaker.causes.at(-1)).toBe(cause);
    const second = await fleet.run(["send", "second", "--to", "code2", "--json"], { as: "code1", env });
    expect(second.code).toBe(75);
    expect(JSON.parse(second.stdout)).toMatchObject({ state: "queued", reason: cause });
    expect(gitsStarted()).toBe(started);
    await proxy.be("pass");
    await arrived(["first", "second"]);
  }, 120_000);

  test("a daemon that was killed keeps an open breaker, and starts no git", async () => {
    if (server === null) return;
    await proxy.be("hang");
    await until((status) => status.breaker.state === "open");
    await sendAway("held");
    await monitor.stop("SIGKILL");
    const started = gitsStarted();
    monitor = await fleet.monitor("code1", [], { env });
    const after = await until((status) => status.check !== null);
    expect(after.breaker.state).toBe("open");
    expect(after.breaker.refusesForMs).toBeLessThan(600_000);
    await sendAway("more");
    expect(gitsStarted()).toBe(started);
    await proxy.be("refuse");
    await until((status) => status.check?.ok === false);
    await proxy.be("pass");
    await arrived(["held", "more"]);
  }, 120_000);

  test("network says which step fails, with 69, and that all is well, with 0", async () => {
    if (server === null) return;
    const good = await fleet.json(["network"], { as: "code1", env });
    expect(good).toMatchObject({
      success: true,
      target: `127.0.0.1:${proxy.port}`,
      monitor: { breaker: { state: "closed" } },
    });
    expect((good["steps"] as Answer[]).map((step) => step["name"])).toEqual(["dns", "tcp", "git"]);
    await proxy.be("refuse");
    const bad = await fleet.run(["network"], { as: "code1", env });
    expect(bad.code).toBe(69);
    expect(bad.stdout).toContain("not reachable");
    expect(bad.stdout).toContain(`Cannot connect to 127.0.0.1:${proxy.port}: connection refused`);
  }, 60_000);
});
