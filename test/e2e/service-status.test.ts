import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { type Answer, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { untilHolds } from "../helpers/temp-git.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 60_000;

const fleet = new TempFleet();
const config = fleet.git.path("fleetd.yaml");
const called = { as: "code1", env: { FLEETD_CONFIG: config } };
const flag = fleet.git.path("is-well");
let monitor: Running | null = null;

const SERVE = `const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
console.log("listening on " + server.port);`;

beforeAll(async () => {
  writeFileSync(flag, "");
  const serve = [process.execPath, "-e", SERVE];
  writeFileSync(
    config,
    JSON.stringify({
      services: {
        web: {
          command: serve,
          env: { PASSWORD: "geheim" },
          groups: ["front"],
          limits: { memory: "900MiB" },
          depends_on: { db: "started" },
        },
        db: {
          command: ["sleep", "1000"],
          probes: { readiness: { exec: ["test", "-e", flag], interval: "100ms", failures: 1 } },
        },
        loop: {
          command: ["sh", "-c", "echo 'ERROR no way'; exit 3"],
          backoff: { first: "10ms", failures: 2 },
        },
      },
    }),
  );
  await fleet.init(["code1"]);
  monitor = fleet.start(["monitor"], called);
  await untilHolds(async () => {
    const { loop, web, db } = await states();
    return loop === "crash-loop" && web === "running" && db === "running";
  }, WAIT_MS);
}, TIMEOUT_MS);

afterAll(async () => {
  await fleet.run(["stop", "--all", "--now"], called);
  await monitor?.stop();
  await fleet.remove();
}, TIMEOUT_MS);

async function states(): Promise<Record<string, string>> {
  const ran = await fleet.run(["list", "--json"], called);
  if (ran.code !== 0) return {};
  const { services } = JSON.parse(ran.stdout) as { services: { name: string; state: string }[] };
  return Object.fromEntries(services.map(({ name, state }) => [name, state]));
}

async function detail(name: string): Promise<Answer> {
  const { services } = await fleet.json(["status", name], called);
  const [one] = services as Answer[];
  return one ?? {};
}

describe("fleetd status NAME", () => {
  test("shows state, processes, listeners, command, needs and log, and no value of a variable", async () => {
    await untilHolds(async () => ((await detail("web"))["listeners"] as unknown[]).length > 0, WAIT_MS);
    // It says so a moment after it listens.
    let page = "";
    await untilHolds(async () => {
      page = await fleet.text(["status", "web"], called);
      return page.includes("listening on");
    }, WAIT_MS);
    for (const words of ["● web running", "tcp 127.0.0.1:", "@front", "db started", "PASSWORD"]) {
      expect(page).toContain(words);
    }
    expect(page).not.toContain("geheim");
    expect(Math.max(...page.split("\n").map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(80);
    const one = await detail("web");
    expect(one).toMatchObject({
      name: "web",
      state: "running",
      depends_on: [{ name: "db", condition: "started" }],
      env_names: ["PASSWORD"],
      limits: { memory_bytes: 900 * 1024 ** 2 },
    });
    expect((one["processes"] as Answer[]).map((process) => process["pid"])).toContain(one["pid"]);
    expect(JSON.stringify(one)).not.toContain("geheim");
  });

  test("shows the last ends, and takes groups and several names", async () => {
    const page = await fleet.text(["status", "loop", "front"], called);
    expect(page).toContain("loop crash-loop");
    expect(page).toContain("exit code 3");
    expect(page).toContain("ERROR no way");
    expect(page).toContain("web running");
    expect((await detail("loop"))["ends"]).toMatchObject([{ reason: "code", text: "exit code 3" }, {}]);
  });

  test("shows what a probe said last", async () => {
    await untilHolds(async () => {
      const [probe] = (await detail("db"))["probes"] as Answer[];
      return probe?.["well"] === true;
    }, WAIT_MS);
    rmSync(flag);
    try {
      await untilHolds(async () => (await states())["db"] === "unready", WAIT_MS);
      expect(await fleet.text(["status", "db"], called)).toContain("not well: exit code 1");
      expect((await fleet.run(["status", "--check", "db"], called)).code).toBe(1);
    } finally {
      writeFileSync(flag, "");
      await untilHolds(async () => (await states())["db"] === "running", WAIT_MS);
    }
  });

  test("--check ends with 0, and with 2 for a crash loop", async () => {
    expect((await fleet.run(["status", "--check", "web"], called)).code).toBe(0);
    expect((await fleet.run(["status", "--check", "web", "loop"], called)).code).toBe(2);
  });

  test("refuses names that nothing has with 65, and --watch with names with 64", async () => {
    const unknown = await fleet.run(["status", "webb"], called);
    expect(unknown).toMatchObject({ code: 65, stdout: "" });
    expect(unknown.stderr).toContain("webb");
    expect((await fleet.run(["status", "web", "--watch"], called)).code).toBe(64);
  });
});

describe("services are part of", () => {
  test("status, as one line with what is failing", async () => {
    const page = await fleet.text(["status"], called);
    expect(page).toContain("services 2 of 3 running, loop crash-loop");
    expect(await fleet.json(["status"], called)).toMatchObject({ services: { total: 3, running: 2 } });
  });

  test("health, where a crash loop is critical", async () => {
    const report = await fleet.json(["health"], called, 2);
    const checks = report["checks"] as Answer[];
    expect(checks.find((check) => check["id"] === "services")).toMatchObject({
      verdict: "critical",
      figure: "2 of 3 running",
      fix: "fleetd status loop",
    });
  });
});
