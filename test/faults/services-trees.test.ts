// Services that do not want to go and services that cannot stay, under the compiled executable.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ServiceFleet } from "../helpers/service-fleet.ts";
import { markedProcesses } from "../helpers/service-processes.ts";
import { eventually } from "../helpers/temp-git.ts";

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: trees of services, because there is no /proc here");
const PATIENCE_MS = 60_000;

describe.skipIf(!isLinux).each(["auto", "off"])("a tree that clings, control groups: %s", (cgroup) => {
  const fleet = isLinux ? new ServiceFleet() : null;
  afterAll(() => fleet?.close(), PATIENCE_MS);

  test(
    "is gone after stop, also when the daemon that started it is",
    async () => {
      if (fleet === null) return;
      await fleet.init();
      const marks = Object.fromEntries(["before", "after"].map((name) => [name, join(fleet.folder, name)]));
      for (const mark of Object.values(marks)) mkdirSync(mark);
      fleet.configure(
        Object.fromEntries(
          Object.entries(marks).map(([name, mark]) => [
            name,
            { command: fleet.noted(name, "clings.sh", mark) },
          ]),
        ),
        { cgroup, stop_timeout: "300ms" },
      );
      await fleet.monitor();
      const { containment } = (await fleet.fleet.json(["list"])) as { containment: string };
      console.log(`trees: control groups "${cgroup}" here means ${containment}`);
      if (cgroup === "off") expect(containment).not.toBe("cgroup");
      for (const mark of Object.values(marks)) {
        expect(await eventually(() => readdirSync(mark).length === 4, PATIENCE_MS)).toBe(true);
        expect(leftOf(mark)).toEqual(["forgot", "main", "session", "twice"]);
      }

      await fleet.ran(["stop", "before"]);
      expect(leftOf(marks["before"] ?? "")).toEqual([]);
      expect(leftOf(marks["after"] ?? "")).toHaveLength(4);

      await fleet.killMonitor();
      await fleet.monitor();
      expect(leftOf(marks["after"] ?? "")).toHaveLength(4);
      await fleet.ran(["stop", "after"]);
      expect(leftOf(marks["after"] ?? "")).toEqual([]);
      expect(fleet.startsOf("before").length + fleet.startsOf("after").length).toBe(2);
    },
    2 * PATIENCE_MS,
  );
});

/** Which of the processes of a tree live: each has written a file that is named after it and its id. */
function leftOf(mark: string): string[] {
  const alive = new Set(markedProcesses(mark).map(({ pid }) => pid));
  return readdirSync(mark)
    .map((file) => file.split("."))
    .flatMap(([name = "", pid]) => (alive.has(Number(pid)) ? [name] : []))
    .sort();
}

describe.skipIf(!isLinux)("a crash loop", () => {
  const FIRST_MS = 100;
  const SLOW_MS = 400;
  const PAUSE_MS = 700;
  const fleet = isLinux ? new ServiceFleet() : null;
  beforeAll(async () => {
    if (fleet === null) return;
    await fleet.init();
    const command = (name: string): string[] => fleet.noted(name, "sh", "-c", "exit 3");
    fleet.configure(
      {
        loops: { command: command("loops") },
        pauses: { command: command("pauses"), backoff: { first: `${PAUSE_MS}ms` } },
      },
      { backoff_first: `${FIRST_MS}ms`, crash_failures: 5, crash_slow: `${SLOW_MS}ms` },
    );
    await fleet.monitor();
  }, PATIENCE_MS);
  afterAll(() => fleet?.close(), PATIENCE_MS);

  test(
    "has pauses that double, one alarm, and then slow tries without an end",
    async () => {
      if (fleet === null) return;
      expect(await eventually(() => told(fleet, "loops", "ended").length >= 8, PATIENCE_MS)).toBe(true);
      const ends = told(fleet, "loops", "ended").slice(0, 8);
      const wanted = [1, 2, 4, 8].map((times) => times * FIRST_MS).concat(Array(4).fill(SLOW_MS));
      for (const [index, { again_ms: pauseMs }] of ends.entries()) {
        const usualMs = wanted[index] ?? 0;
        expect(pauseMs).toBeGreaterThanOrEqual(0.8 * usualMs);
        expect(pauseMs).toBeLessThanOrEqual(1.2 * usualMs);
      }
      console.log(`crash loop: pauses of ${ends.map((end) => end.again_ms).join(", ")} ms`);
      const alarms = told(fleet, "loops", "looping");
      expect(alarms).toMatchObject([{ level: "CRITICAL", failures: 5 }]);
      const [after] = told(fleet, "loops", "started").slice(5);
      expect(String(alarms[0]?.timestamp) <= String(after?.timestamp)).toBe(true);
      // What is told is done: no try comes before its time.
      const starts = told(fleet, "loops", "started").slice(1);
      for (const [index, { timestamp, again_ms: pauseMs }] of ends.slice(0, 7).entries()) {
        const gapMs = Date.parse(starts[index]?.timestamp ?? "") - Date.parse(timestamp);
        expect(gapMs).toBeGreaterThanOrEqual(pauseMs - 10);
      }
    },
    PATIENCE_MS,
  );

  test(
    "ends when a person says so, and so does a pause",
    async () => {
      if (fleet === null) return;
      await fleet.until("it pauses", ([one]) => one?.state === "backoff", "pauses");
      await fleet.until("it loops", ([one]) => one?.state === "crash-loop", "loops");
      await fleet.ran(["stop", "loops", "pauses"]);
      const starts = (): number => fleet.allStarts().length;
      const before = starts();
      // Longer than the longest pause that could have been left.
      const longestMs = 2 * 2 * PAUSE_MS * 1.2;
      expect(await eventually(() => starts() > before, longestMs)).toBe(false);
      await fleet.killMonitor();
      await fleet.monitor();
      expect((await fleet.list()).map(({ state, wanted }) => [state, wanted])).toEqual([
        ["stopped", false],
        ["stopped", false],
      ]);
      expect(starts()).toBe(before);
      // Only a person's start makes it try again.
      await fleet.run(["start", "loops"]);
      expect(await eventually(() => starts() > before, PATIENCE_MS)).toBe(true);
    },
    2 * PATIENCE_MS,
  );
});

interface Told {
  readonly timestamp: string;
  readonly level: string;
  readonly again_ms: number;
  readonly failures: number;
}

/** What the daemon's own log says of a service, in the order of time. */
function told(fleet: ServiceFleet, service: string, what: string): Told[] {
  const log = join(fleet.root, "code1/logs/fleetd.log");
  return readFileSync(log, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
    .filter(({ metadata }) => metadata?.service === service && metadata.what === what)
    .map(({ timestamp, level, metadata }) => ({ timestamp, level, ...metadata }));
}
