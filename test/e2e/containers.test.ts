// Services that are containers, of a real engine.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Engine, engineSocket } from "../../src/platform/containers/engine.ts";
import { FleetSandbox, type Monitor } from "../helpers/fleet-sandbox.ts";
import { freePort } from "../helpers/free-port.ts";
import { killHard } from "../helpers/kill.ts";
import { untilHolds } from "../helpers/temp-git.ts";

const WITHIN_MS = 60_000;
/** It has to be a static one: nothing else is in the image. */
const BUSYBOX = process.env["FLEETD_BUSYBOX"] ?? "/bin/busybox";
const IMAGE = "fleetd-e2e";

const engine = new Engine(() => engineSocket(process.env));
const answers = await engine.ask({ method: "GET", path: "/_ping" }).then(
  () => true,
  (thrown: unknown) => thrown instanceof SyntaxError,
);
const isPossible = answers && existsSync(BUSYBOX);
if (!isPossible)
  console.log(`skipped: no container engine answers at DOCKER_HOST, or there is no ${BUSYBOX}`);

const sandbox = new FleetSandbox();
sandbox.variables = { DOCKER_HOST: process.env["DOCKER_HOST"] ?? "" };
const shared = join(sandbox.folder, "shared");
let monitor: Monitor;

interface Shown {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly ready: boolean;
}

interface Container {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
}

/** The containers of this sandbox, also those that do not run. */
async function containers(service = ""): Promise<Container[]> {
  const all = await engine.ask<(Container & { Labels: Record<string, string> })[]>({
    method: "GET",
    path: "/containers/json",
    query: { all: "1", filters: JSON.stringify({ label: ["fleetd.run"] }) },
  });
  return all.filter(
    ({ Labels }) =>
      Labels["fleetd.home"]?.startsWith(sandbox.folder) === true &&
      Labels["fleetd.service"]?.startsWith(service) === true,
  );
}

async function shown(name: string): Promise<Shown | undefined> {
  const { stdout } = await sandbox.run("code1", ["list", "--json"]);
  const services: Shown[] = JSON.parse(stdout).services;
  return services.find((one) => one.name === name);
}

async function lines(name: string): Promise<string[]> {
  const { stdout } = await sandbox.run("code1", ["logs", name, "--limit", "1000000", "--json"]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): string => JSON.parse(line).message);
}

const become = (name: string, state: string): Promise<void> =>
  untilHolds(async () => (await shown(name))?.state === state, WITHIN_MS);

/** An image of one static program under many names. */
async function importImage(name: string, changes: readonly string[]): Promise<void> {
  const root = join(sandbox.folder, "image");
  if (!existsSync(root)) {
    mkdirSync(join(root, "bin"), { recursive: true });
    cpSync(BUSYBOX, join(root, "bin", "busybox"), { dereference: true });
    for (const word of ["sh", "sleep", "echo", "cat", "httpd", "test", "id", "head", "tail", "rm", "touch"]) {
      symlinkSync("busybox", join(root, "bin", word));
    }
  }
  const tar = Bun.spawnSync(["tar", "-C", root, "-c", "."]).stdout;
  const query = new URLSearchParams({ fromSrc: "-", repo: name, tag: "latest" });
  for (const change of changes) query.append("changes", change);
  const response = await fetch(`http://engine/images/create?${query}`, {
    method: "POST",
    unix: engineSocket(process.env),
    body: tar,
    headers: { "content-type": "application/x-tar" },
  });
  if (!response.ok) throw new Error(await response.text());
  await response.text();
}

const port = await freePort();

const SETTINGS = `services:
  web:
    container: { image: ${IMAGE}, ports: ["127.0.0.1:${port}:80"], volumes: ["${shared}:/shared:ro"] }
    command: [/bin/sh, -c, "trap 'exit 0' TERM; echo started as $(id -u) with $WORD; httpd -f -p 80 -h /shared & wait $!"]
    env: { WORD: bird }
    user: "1000"
    limits: { memory: 32MiB, cpus: 0.5, pids: 20 }
    probes: { readiness: { tcp: { port: ${port} }, interval: 100ms } }
  counter:
    container: ${IMAGE}
    command: [/bin/sh, -c, "i=0; while :; do i=$((i+1)); echo line $i; [ $((i % 50)) = 0 ] && sleep 0.1; done"]
    stop: { timeout: 500ms }
    logs: { rate: 0, file_size: 64MiB, total: 256MiB }
  healthy:
    container: ${IMAGE}-health
    command: [/bin/sleep, "1000"]
    volumes: []
    stop: { timeout: 500ms }
    start_timeout: 10m
  hungry:
    container: ${IMAGE}
    command: [/bin/sh, -c, "head -c 200m /dev/zero | tail"]
    limits: { memory: 16MiB }
    restart: "no"
    enabled: false
  seven:
    container: ${IMAGE}
    command: [/bin/sh, -c, "exit 7"]
    restart: "no"
    enabled: false
  unknown:
    container: { image: fleetd-e2e-missing, pull: never }
    restart: "no"
    enabled: false
`.replace("    volumes: []\n", "");

describe.skipIf(!isPossible)("a service that is a container", () => {
  beforeAll(async () => {
    mkdirSync(shared);
    writeFileSync(join(shared, "hello"), "hello");
    await importImage(IMAGE, []);
    await importImage(`${IMAGE}-health`, ["HEALTHCHECK --interval=1s --retries=1 CMD test -e /healthy"]);
    writeFileSync(join(sandbox.folder, "fleetd.yaml"), SETTINGS);
    await sandbox.init("code1");
    monitor = await sandbox.monitor("code1");
  }, 120_000);

  afterAll(async () => {
    await sandbox.run("code1", ["stop", "--all", "--now"]);
    for (const { Id } of await containers()) {
      await engine.ask({ method: "DELETE", path: `/containers/${Id}`, query: { force: "1" } });
    }
    for (const name of [IMAGE, `${IMAGE}-health`])
      await engine.ask({ method: "DELETE", path: `/images/${name}` });
    await sandbox.close();
    rmSync(shared, { recursive: true, force: true });
  }, 120_000);

  test("runs with its ports, volumes, variables, user and limits, and its log is the service's", async () => {
    await become("web", "running");
    // The engine accepts on the port before anything listens in the container.
    const url = `http://127.0.0.1:${port}/hello`;
    let said = "";
    await untilHolds(async () => {
      said = await fetch(url).then(
        (response) => response.text(),
        () => "",
      );
      return said !== "";
    }, WITHIN_MS);
    expect(said).toBe("hello");
    await untilHolds(async () => (await lines("web")).includes("started as 1000 with bird"), WITHIN_MS);
    const [one] = await containers("web");
    const inspected = await engine.ask<{ HostConfig: Record<string, unknown>; State: { Pid: number } }>({
      method: "GET",
      path: `/containers/${one?.Id}/json`,
    });
    expect(inspected.HostConfig).toMatchObject({ Memory: 33_554_432, NanoCpus: 500_000_000, PidsLimit: 20 });
    expect((await shown("web"))?.pid).toBe(inspected.State.Pid);
  }, 120_000);

  test("is named as the owner of its port, and unknown where the engine may not be asked", async () => {
    await become("web", "running");
    const { stdout } = await sandbox.run("code1", ["port", String(port), "--json"]);
    const [one] = await containers("web");
    const container = { id: one?.Id, name: one?.Names[0]?.slice(1) };
    expect(JSON.parse(stdout).listeners).toMatchObject([{ owners: [{ name: "docker-proxy", container }] }]);
    sandbox.variablesOf.set("code1", { DOCKER_HOST: "unix:///nowhere/docker.sock" });
    const unknown = await sandbox.run("code1", ["port", String(port)]);
    sandbox.variablesOf.clear();
    expect(unknown.stdout).toContain("docker-proxy (container unknown)");
  }, 120_000);

  test("is ready when the health of its image says so, and not any more when it does not", async () => {
    expect(await shown("healthy")).toMatchObject({ state: "starting", ready: false });
    const [one] = await containers("healthy");
    const run = async (...Cmd: string[]): Promise<void> => {
      const { Id } = await engine.ask<{ Id: string }>({
        method: "POST",
        path: `/containers/${one?.Id}/exec`,
        body: { Cmd },
      });
      await engine.ask({ method: "POST", path: `/exec/${Id}/start`, body: { Detach: true } });
    };
    await run("/bin/touch", "/healthy");
    await become("healthy", "running");
    await run("/bin/rm", "/healthy");
    await become("healthy", "unready");
  }, 120_000);

  test("is found again by the next monitor: none is started twice, and no line is lost or doubled", async () => {
    await untilHolds(async () => (await lines("counter")).length > 200, WITHIN_MS);
    const before = await shown("counter");
    for (let round = 0; round < 3; round += 1) {
      killHard(monitor.pid, "alone");
      await monitor.ended;
      monitor = await sandbox.monitor("code1");
      await become("counter", "running");
      expect(await shown("counter")).toMatchObject({ pid: before?.pid ?? 0 });
    }
    expect((await containers("counter")).length).toBe(1);
    const count = (await lines("counter")).length;
    await untilHolds(async () => (await lines("counter")).length > count + 100, WITHIN_MS);
    expect((await sandbox.run("code1", ["stop", "counter"])).exitCode).toBe(0);
    await untilHolds(async () => (await containers("counter")).length === 0, WITHIN_MS);
    let told: string[] = [];
    await untilHolds(async () => {
      const now = await lines("counter");
      const isSame = now.length === told.length;
      told = now;
      return isSame;
    }, WITHIN_MS);
    expect(told).toEqual(told.map((_, index) => `line ${index + 1}`));
    console.log(`${told.length} lines over 3 killed monitors, none lost, none twice`);
  }, 180_000);

  test("tells its exit code, and that it ran out of memory", async () => {
    await sandbox.run("code1", ["start", "seven", "hungry"]);
    await Promise.all([become("seven", "failed"), become("hungry", "failed")]);
    const { stdout } = await sandbox.run("code1", ["list", "--json"]);
    expect(stdout).toContain("exit code 7");
    expect(stdout).toContain("out of memory");
    await untilHolds(
      async () => (await containers("seven")).length + (await containers("hungry")).length === 0,
      WITHIN_MS,
    );
  }, 120_000);

  test("says what is missing when it cannot be started", async () => {
    const { exitCode, stdout } = await sandbox.run("code1", ["start", "unknown"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Cannot find the image "fleetd-e2e-missing": it is not here, and pull is never');
  }, 120_000);

  test("that ended while no monitor ran is told of with its exit code, and is started again", async () => {
    const [one] = await containers("web");
    killHard(monitor.pid, "alone");
    await monitor.ended;
    await engine.ask({ method: "POST", path: `/containers/${one?.Id}/kill`, query: { signal: "SIGTERM" } });
    await untilHolds(async () => (await containers("web"))[0]?.State === "exited", WITHIN_MS);
    monitor = await sandbox.monitor("code1");
    await untilHolds(async () => (await shown("web"))?.state === "completed", WITHIN_MS);
    expect((await sandbox.run("code1", ["start", "web"])).exitCode).toBe(0);
    expect((await containers("web")).length).toBe(1);
  }, 120_000);

  test("is removed when it is stopped", async () => {
    expect((await sandbox.run("code1", ["stop", "--all"])).exitCode).toBe(0);
    await untilHolds(async () => (await containers()).length === 0, WITHIN_MS);
  }, 120_000);
});
