import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ServiceLine } from "../../../../src/base/ports/service-log.ts";
import { displayWidth } from "../../../../src/cli/output/display-width.ts";
import { createStyle } from "../../../../src/cli/output/style.ts";
import { renderTop, renderTopPage, seenOf } from "../../../../src/cli/output/top-view.ts";
import { TOP_START, type TopData, type TopState, type TopView } from "../../../../src/cli/top/top-model.ts";
import { HOSTILE } from "../../../helpers/hostile-top.ts";
import { serviceView } from "../../../helpers/service-views.ts";

const plain = createStyle(() => false);
const colour = createStyle(() => true);
const NOW = 1_800_000_000_000;
const GIB = 1024 ** 3;

const DATA: TopData = {
  nowWallMs: NOW,
  server: "code1",
  monitor: {
    version: "1.2.3",
    pid: 7,
    startedWallMs: NOW - 60_000,
    verdict: "ok",
    problem: null,
    lastFetchWallMs: NOW - 3_000,
    lastPushWallMs: null,
    trouble: null,
    breaker: "closed",
  },
  lost: null,
  services: [
    serviceView("web:1", { startedWallMs: NOW - 5_000 }),
    serviceView("web:2", { startedWallMs: NOW - 5_000, usage: null, state: "starting", pid: null }),
    serviceView("worker", {
      state: "crash-loop",
      restarts: 5,
      pid: null,
      usage: null,
      startedWallMs: null,
      lastEnd: { kind: "code", text: "exit code 3", atWallMs: NOW },
      againInMs: 240_000,
    }),
  ],
  queue: { waiting: 2, oldestWallMs: NOW - 240_000, dead: 1 },
  peers: [
    { server: "code2", presence: "online" },
    { server: "db1", presence: "silent" },
  ],
  machine: {
    cores: 2,
    load: [0.5, 0.25, 0.1],
    busyTrend: [0.1, 0.5],
    memory: { availableBytes: 2 * GIB, totalBytes: 8 * GIB },
  },
};
const LOG: readonly ServiceLine[] = Array.from({ length: 100 }, (_, at) => ({
  timestamp: "2026-01-02T03:04:05.678Z",
  level: "INFO" as const,
  text: `line ${at + 1} ${"x".repeat(300)}`,
}));

const viewOf = (state: Partial<TopState> = {}, data: Partial<TopData> = {}, log = LOG): TopView => ({
  data: { ...DATA, ...data },
  state: { ...TOP_START, ...state },
  log,
});
const draw = (view: TopView, width = 100, height = 30, style = plain): string[] =>
  renderTop(view, { width, height }, style).map(String);

/** Every text of strangers on the screen is `text`. */
function hostileView(page: TopState["page"], text: string): TopView {
  const lastEnd = { kind: "spawn", text, atWallMs: 1 } as const;
  const services = [serviceView("web", { command: [text], lastEnd, state: "failed" })];
  const monitor = DATA.monitor === null ? null : { ...DATA.monitor, trouble: text, problem: text };
  const log = [{ timestamp: "2026-01-02T03:04:05.678Z", level: "ERROR", text } as const];
  return viewOf({ page }, { services, monitor, server: text }, log);
}

describe("renderTop()", () => {
  test("shows services, machine, remote, queue, fleet and the last lines of the chosen one", () => {
    const lines = draw(viewOf());
    expect(lines.map((line) => line.trimEnd()).slice(1, 10)).toEqual([
      " machine         ▁▄  50 % of 2 cpus   ████████░░ 6.0 GiB of 8.0 GiB   load 0.50 0.25 0.10",
      " remote  ● reachable · fetched 3 s ago · pushed never",
      " queue   2 to be sent, the oldest for 4 min, 1 dead",
      " fleet   1 of 2 online   ○ db1 silent   ● code2",
      `── services 1 of 3 running, 1 starting, 1 crash-loop ${"─".repeat(47)}`,
      "  NAME▴       STATE           PID     CPU                  MEMORY                      UP   RESTARTS",
      "▸ web:1       running        4711    25 %         ▄▇█    10.0 MiB         ▂▄▆         5 s",
      "  web:2       starting                            ▄▇█                     ▂▄▆         5 s",
      "  worker      crash-loop                          ▄▇█                     ▂▄▆                      5",
    ]);
    expect(lines[0]).toStartWith(
      " code1  ● critical: worker crash-loop  monitor up 1 min, pid 7, fleetd 1.2.3",
    );
    expect(lines[10]).toStartWith("── web:1 log ──");
    expect(lines.at(-2)).toStartWith("03:04:05 INFO    line 100 xxx");
    expect(lines.at(-1)).toContain("q quit");
  });

  test("says that no monitor answers, and for how long", () => {
    const lost = { sinceWallMs: NOW - 12_000, why: "gone" };
    expect(draw(viewOf({}, { lost }))[0]).toContain("✗ no monitor answers for 12 s, trying again");
  });

  test("keeps the chosen one on the screen, however many there are", () => {
    const services = Array.from({ length: 200 }, (_, at) => serviceView(`s${at + 1}`));
    for (const selected of ["s1", "s100", "s200"]) {
      expect(draw(viewOf({ selected }, { services }), 60, 14).some((line) => line.startsWith("▸"))).toBe(
        true,
      );
    }
    const size = { width: 60, height: 14 };
    expect(seenOf(viewOf({}, { services }), size).names).toHaveLength(200);
    expect(seenOf(viewOf({}, { services }), size).rows).toBeLessThan(14);
  });

  test("shows the log on the whole screen, further up and further right", () => {
    const lines = draw(viewOf({ page: "log", logUp: 10, logRight: 5 }), 60, 12);
    expect(lines[0]).toContain("10 more below, waiting, from column 6");
    expect(lines.at(-2)).toStartWith("03:04:05 INFO    90 xxx");
    expect(lines[1]).toStartWith("03:04:05 INFO    81 xxx");
  });

  test("shows the filter while it is typed, how many fit, and that none does", () => {
    expect(draw(viewOf({ filter: "web", isTyping: true })).at(-1)).toContain("/web");
    expect(draw(viewOf({ filter: "web" }))[5]).toContain("/web 2 fit");
    expect(draw(viewOf({ filter: "nix" })).join("\n")).toContain('no service fits "nix"');
    expect(draw(viewOf({}, { services: [] })).join("\n")).toContain("no services: define some");
  });

  test("has exactly the lines of the screen, none wider, with any text of strangers and at any size", () => {
    const screens = fc.record({
      width: fc.integer({ min: 1, max: 220 }),
      height: fc.integer({ min: 1, max: 70 }),
      page: fc.constantFrom<TopState["page"]>("list", "log", "help"),
      text: fc.constantFrom(...HOSTILE),
      style: fc.constantFrom(plain, colour),
    });
    fc.assert(
      fc.property(screens, ({ width, height, page, text, style }) => {
        const lines = draw(hostileView(page, text), width, height, style);
        expect(lines).toHaveLength(height);
        expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width);
        expect(Bun.stripANSI(lines.join(""))).not.toMatch(/[\p{Cc}\p{Cs}\u202E]/u);
      }),
      { numRuns: 300 },
    );
  });
});

test("renderTopPage() has every service and no keys", () => {
  const services = Array.from({ length: 60 }, (_, at) => serviceView(`s${at + 1}`));
  const text = renderTopPage(viewOf({}, { services }, LOG.slice(-3)), 80, plain).join("\n");
  expect(text).toContain("s60 ");
  expect(text).not.toContain("quit");
});
