import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { ScreenGrid } from "../helpers/screen-grid.ts";
import { FLEETD, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 60_000;
const isPosix = process.platform !== "win32";
if (!isPosix) console.log("skipped: fleetd top on a terminal: no pseudo-terminal with signals here");

const fleet = new TempFleet();
const config = fleet.git.path("fleetd.yaml");
const called = { as: "code1", env: { FLEETD_CONFIG: config } };
let monitor: Running | null = null;
const open: { end(): Promise<void> }[] = [];

/** Says more than a screen holds, and then something hostile and something plain now and then. */
const CHATTY = String.raw`i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "begin $i"; done; while :; do i=$((i+1)); printf 'evil \033[2J\033]0;x\007 ${"日本"}\n'; echo "WARN line $i"; sleep 0.2; done`;

beforeAll(async () => {
  const quiet = Array.from({ length: 30 }, (_, at) => `  quiet${at + 1}: { command: [sleep, "1000"] }\n`);
  writeFileSync(
    config,
    `services:\n  web: { command: ${JSON.stringify(["sh", "-c", CHATTY])}, instances: 2, groups: [front] }\n` +
      `  loop: { command: [sh, -c, "exit 3"], backoff: { first: 10ms, failures: 2 } }\n${quiet.join("")}`,
  );
  await fleet.init(["code1", "code2"]);
  await startMonitor();
}, TIMEOUT_MS);

afterEach(async () => {
  for (const one of open.splice(0)) await one.end();
});

afterAll(async () => {
  // The services end with the monitor only when they are told to.
  await fleet.run(["stop", "--all", "--now"], called);
  await monitor?.stop();
  await fleet.remove();
}, TIMEOUT_MS);

async function startMonitor(): Promise<void> {
  monitor = fleet.start(["monitor"], called);
  await untilHolds(async () => (await states()).get("web:2") === "running", WAIT_MS);
}

async function states(): Promise<ReadonlyMap<string, string>> {
  const ran = await fleet.run(["list", "--json"], called);
  if (ran.code !== 0) return new Map();
  const { services } = JSON.parse(ran.stdout) as { services: { name: string; state: string }[] };
  return new Map(services.map(({ name, state }) => [name, state]));
}

/** Starts `fleetd top` on a terminal of its own. */
function startTop(words: readonly string[] = [], columns = 100, rows = 30) {
  const grid = new ScreenGrid(columns, rows);
  const decoder = new TextDecoder();
  let failure: unknown = null;
  const child = Bun.spawn([FLEETD, "top", "--interval", "200ms", ...words], {
    env: { ...fleet.environment, FLEETD_SERVER: "code1", FLEETD_CONFIG: config, TERM: "xterm-256color" },
    terminal: {
      cols: columns,
      rows,
      data: (_, bytes) => {
        try {
          grid.write(decoder.decode(bytes, { stream: true }));
        } catch (thrown) {
          failure ??= thrown;
        }
      },
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no terminal");
  const shows = async (what: string | RegExp): Promise<void> => {
    const isThere = (): boolean =>
      typeof what === "string" ? grid.text.includes(what) : what.test(grid.text);
    if (!(await eventually(() => isThere() || failure !== null, WAIT_MS)) || failure !== null) {
      throw new Error(`Never on the screen: ${what}${failure === null ? "" : `, ${failure}`}\n${grid.text}`);
    }
  };
  open.push({
    end: async () => {
      child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  });
  return {
    grid,
    shows,
    child,
    type: (keys: string) => void terminal.write(keys),
    resize: (width: number, height: number) => {
      grid.resize(width, height);
      terminal.resize(width, height);
    },
    ended: async (): Promise<number> => {
      const code = await child.exited;
      await eventually(() => !grid.modes.has(1049), WAIT_MS);
      return code;
    },
    /** Whether the terminal is as it was before. */
    isRestored: () => !grid.modes.has(1049) && grid.modes.has(25) && grid.modes.has(7),
  };
}

const selected = (grid: ScreenGrid): string | undefined =>
  grid.lines.find((line) => line.startsWith("▸"))?.split(/\s+/)[1];

describe.if(isPosix)("fleetd top", () => {
  test(
    "shows services with their figures, machine, queue and fleet; what strangers wrote is only text",
    async () => {
      const top = startTop(["--filter", "front"]);
      await top.shows(/▸ web:1 +running +\d+ +[\d.]+ %/);
      await top.shows("evil ␛[2J␛]0;x␇ 日本");
      await top.shows("1 crash-loop");
      await top.shows("critical: loop crash-loop");
      for (const label of [" machine ", " remote  ● reachable", " queue   nothing waits", " fleet   "]) {
        await top.shows(label);
      }
      await top.shows("code2");
      expect(top.grid.modes.has(1049)).toBe(true);
      expect(top.grid.modes.has(25)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "chooses, scrolls, sorts, filters, opens the log and help",
    async () => {
      const top = startTop();
      await top.shows(/▸ loop/);
      top.type("\u001B[B");
      await top.shows(/▸ quiet1 /);
      top.type("G");
      await top.shows(/▸ web:2/);
      await top.shows("── web:2 log");
      expect(top.grid.text).not.toContain("quiet1 ");
      top.type("\u001B[H");
      await top.shows(/▸ loop/);
      top.type("\u001B[6~");
      await eventually(() => /^quiet\d+$/.test(selected(top.grid) ?? ""), WAIT_MS);
      top.type("/");
      top.type("web:2\r");
      await top.shows("/web:2 1 fit");
      await top.shows(/▸ web:2/);
      top.type("\r");
      await top.shows(/^── web:2 log/);
      await top.shows("WARN line");
      top.type("\u001B[A");
      await top.shows("1 more below, waiting");
      top.type("\u001B");
      await top.shows("/web:2 1 fit");
      top.type("\u001B");
      await top.shows("quiet10");
      top.type("c");
      await top.shows("CPU▾");
      top.type("?");
      await top.shows("filter by name, state, group, command");
      top.type("x");
      await top.shows("CPU▾");
    },
    TIMEOUT_MS,
  );

  test(
    "follows the size of its window, down to 40x10 and up to 200x60",
    async () => {
      const top = startTop();
      await top.shows("q quit");
      for (const [width, height] of [
        [40, 10],
        [200, 60],
        [80, 24],
      ] as const) {
        top.resize(width, height);
        await eventually(() => top.grid.lines[height - 1]?.includes("q quit") === true, WAIT_MS);
        await top.shows(/▸ loop/);
        expect(top.grid.lines[height - 1]).toContain("q quit");
        expect(top.grid.lines).toHaveLength(height);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "draws only what differs",
    async () => {
      const top = startTop(["--filter", "quiet3"], 100, 40);
      await top.shows(/▸ quiet3 /);
      top.grid.takeDrawn();
      const clock = top.grid.lines[0];
      // The first line has a clock: when that has moved twice, what was drawn was a look.
      await eventually(() => top.grid.lines[0] !== clock, WAIT_MS);
      const again = top.grid.lines[0];
      await eventually(() => top.grid.lines[0] !== again, WAIT_MS);
      expect(top.grid.takeDrawn().length).toBeLessThan(20);
    },
    TIMEOUT_MS,
  );

  test.each([
    ["q", 0],
    ["\u0003", 0],
  ])(
    "ends on %j, restores the terminal and leaves everything running",
    async (key, code) => {
      const before = await states();
      const top = startTop();
      await top.shows("q quit");
      top.type(key);
      expect(await top.ended()).toBe(code);
      expect(top.isRestored()).toBe(true);
      expect((await states()).get("web:1")).toBe(before.get("web:1"));
    },
    TIMEOUT_MS,
  );

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)(
    "restores the terminal on %s",
    async (signal, code) => {
      const top = startTop();
      await top.shows("q quit");
      top.child.kill(signal);
      expect(await top.ended()).toBe(code);
      expect(top.isRestored()).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "says that the daemon died, goes on trying, and shows the next one",
    async () => {
      const top = startTop(["--filter", "web"]);
      await top.shows(/▸ web:1 +running/);
      await monitor?.stop("SIGKILL");
      await top.shows("no monitor answers for");
      // What was known stays there to be read.
      await top.shows(/▸ web:1 +running/);
      await startMonitor();
      await top.shows("monitor up");
      // The rest of the screen comes after its first lines.
      expect(await eventually(() => !top.grid.text.includes("no monitor answers"), WAIT_MS)).toBe(true);
      top.type("q");
      expect(await top.ended()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "has no colours with NO_COLOR, and no screen on a dumb terminal",
    async () => {
      const ran = Bun.spawn([FLEETD, "top", "--once", "--filter", "front"], {
        env: { ...fleet.environment, FLEETD_SERVER: "code1", FLEETD_CONFIG: config, NO_COLOR: "1" },
        stdout: "pipe",
      });
      expect(await new Response(ran.stdout).text()).not.toContain("\u001B");
      const dumb = await fleet.run(["top"], { ...called, env: { ...called.env, TERM: "dumb" } });
      expect(dumb.code).toBe(64);
    },
    TIMEOUT_MS,
  );
});

describe("fleetd top without a terminal", () => {
  test(
    "refuses with 64 and says what else there is",
    async () => {
      const ran = await fleet.run(["top"], called);
      expect(ran).toMatchObject({ code: 64, stdout: "" });
      expect(ran.stderr).toContain("fleetd list --json");
      expect(ran.stderr).toContain("fleetd stats --json");
    },
    TIMEOUT_MS,
  );

  test.each([[["--interval", "1ms"]], [["--interval", "soon"]], [["--sort", "colour"]], [["web"]]])(
    "refuses %p",
    async (words) => {
      expect((await fleet.run(["top", "--once", ...words], called)).code).toBe(64);
    },
  );

  test("--once prints one page, --json one object", async () => {
    const page = await fleet.text(["top", "--once", "--filter", "front"], called);
    expect(page).toContain("web:1");
    expect(page).toContain("WARN line");
    expect(Math.max(...page.split("\n").map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(80);
    const json = await fleet.json(["top", "--filter", "front"], called);
    expect(json).toMatchObject({
      schema: "fleetd.top/1",
      server: "code1",
      queue: { count: 0, dead: 0 },
      services: [{ name: "web:1" }, { name: "web:2" }],
    });
  });

  test("answers 69 where no monitor runs", async () => {
    const ran = await fleet.run(["top", "--once"], {
      ...called,
      env: { ...called.env, FLEETD_HOME: "/nowhere" },
    });
    expect(ran.code).toBe(69);
  });
});
