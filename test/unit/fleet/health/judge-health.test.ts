import { describe, expect, test } from "bun:test";
import { fail, ok } from "../../../../src/base/result.ts";
import { judgeHealth, levelOf, usedPercentOf } from "../../../../src/fleet/health/judge-health.ts";
import type {
  Check,
  CheckId,
  HealthFacts,
  RemoteFacts,
  Verdict,
} from "../../../../src/fleet/health/model.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";

const NOW = 1_800_000_000_000;
const MIN = 60_000;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const MONITOR = { pid: 7, version: "1.2.3", startedWallMs: NOW - MIN, answers: true };
const REMOTE: RemoteFacts = {
  url: "/srv/fleet.git",
  lookedAt: "by-monitor",
  sinceWallMs: NOW - 60 * MIN,
  lastFetchWallMs: NOW - 5_000,
  lastPushWallMs: null,
  trouble: null,
};
const QUEUE = { waiting: 0, oldestWallMs: null, dead: 0, reason: null };
const HEALTHY: HealthFacts = {
  monitor: ok(MONITOR),
  remote: ok(REMOTE),
  breaker: { state: "closed", untilWallMs: null },
  queue: ok(QUEUE),
  ownRefs: ok([]),
  services: null,
  state: ok("/state/state.db"),
  access: null,
  key: ok({ path: "/state/key", problem: null }),
  store: ok({ path: "/state/fleet.git", problem: null, oldLocks: [] }),
  git: ok("2.39.5"),
  disk: ok({ freeBytes: 10 * GIB, totalBytes: 100 * GIB, path: "/state" }),
  memory: ok({ availableBytes: GIB, totalBytes: 4 * GIB, limitedBy: "machine" }),
  clock: ok({ samples: [], jump: null }),
};

const judge = (facts: Partial<HealthFacts>) =>
  judgeHealth({ ...HEALTHY, ...facts }, DEFAULT_SETTINGS.health, NOW);

function checkOf(id: CheckId, facts: Partial<HealthFacts>): Check {
  const found = judge(facts).checks.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no check "${id}"`);
  return found;
}

test("judgeHealth() finds nothing wrong with a healthy server", () => {
  const report = judge({});
  expect(report.verdict).toBe("ok");
  expect(report.judgedWallMs).toBe(NOW);
  expect(report.checks.map((one) => one.id)).toEqual([
    "monitor",
    "remote",
    "breaker",
    "queue",
    "own-refs",
    "state",
    "key",
    "store",
    "git",
    "disk",
    "memory",
    "clock",
  ]);
  expect(report.checks.filter((one) => one.verdict !== "ok" || one.fix !== null)).toEqual([]);
});

test("judgeHealth() has no check of a breaker that nobody told of", () => {
  expect(judge({ breaker: null }).checks.some((one) => one.id === "breaker")).toBe(false);
});

test.each<CheckId>(["monitor", "remote", "queue", "store", "disk", "memory", "clock"])(
  "judgeHealth() warns about an unknown %s with the reason as evidence",
  (id) => {
    const facts = { [id]: fail("Cannot look\nat it") } as Partial<HealthFacts>;
    expect(judge(facts).verdict).toBe("warn");
    expect(checkOf(id, facts)).toMatchObject({
      verdict: "unknown",
      figure: "unknown",
      evidence: `${id} unknown: Cannot look`,
    });
  },
);

const gib = (free: number): Partial<HealthFacts> => ({
  disk: ok({ freeBytes: free, totalBytes: 100 * GIB, path: "/state" }),
});
const percent = (used: number): Partial<HealthFacts> => ({
  memory: ok({ availableBytes: 10_000 - used * 100, totalBytes: 10_000, limitedBy: "cgroup" }),
});
const remote = (facts: Partial<RemoteFacts>): Partial<HealthFacts> => ({
  remote: ok({ ...REMOTE, ...facts }),
});
const queue = (facts: object): Partial<HealthFacts> => ({ queue: ok({ ...QUEUE, ...facts }) });

describe("judgeHealth() at its thresholds", () => {
  test.each<[string, CheckId, Partial<HealthFacts>, Verdict]>([
    ["disk of 1 GiB", "disk", gib(GIB), "ok"],
    ["disk just below 1 GiB", "disk", gib(GIB - 1), "warn"],
    ["disk of 512 MiB", "disk", gib(512 * MIB), "warn"],
    ["disk just below 512 MiB", "disk", gib(512 * MIB - 1), "critical"],
    ["memory used to 95 %", "memory", percent(95), "ok"],
    ["memory used above 95 %", "memory", percent(95.1), "warn"],
    ["a remote seen a moment ago", "remote", remote({}), "ok"],
    [
      "a remote not seen yet, just started",
      "remote",
      remote({ lastFetchWallMs: null, sinceWallMs: NOW }),
      "ok",
    ],
    ["a remote not seen for an hour", "remote", remote({ lastFetchWallMs: null }), "critical"],
    ["a remote last seen 5 min ago", "remote", remote({ lastFetchWallMs: NOW - 5 * MIN }), "warn"],
    ["a remote last seen 30 min ago", "remote", remote({ lastFetchWallMs: NOW - 30 * MIN }), "critical"],
    ["a remote in trouble just now", "remote", remote({ trouble: "gone" }), "warn"],
    [
      "a remote in trouble that is given up for now",
      "remote",
      { ...remote({ trouble: "gone" }), breaker: { state: "open", untilWallMs: NOW } },
      "critical",
    ],
    ["a remote nobody looks at", "remote", remote({ lookedAt: "not" }), "unknown"],
    ["a fetch from the future", "remote", remote({ lastFetchWallMs: NOW + 60 * MIN }), "ok"],
    ["a message that waits for a minute", "queue", queue({ waiting: 1, oldestWallMs: NOW - MIN }), "ok"],
    ["a message that waits for 5 min", "queue", queue({ waiting: 1, oldestWallMs: NOW - 5 * MIN }), "warn"],
    ["a dead message", "queue", queue({ dead: 1, reason: "hook declined" }), "warn"],
    ["an open breaker", "breaker", { breaker: { state: "open", untilWallMs: NOW + MIN } }, "critical"],
    ["a half-open breaker", "breaker", { breaker: { state: "half-open", untilWallMs: null } }, "warn"],
    ["no monitor", "monitor", { monitor: ok(null) }, "warn"],
    [
      "a monitor that does not answer",
      "monitor",
      { monitor: ok({ ...MONITOR, answers: false }) },
      "critical",
    ],
    ["a key that is gone", "key", { key: ok({ path: "/k", problem: "it is missing" }) }, "critical"],
    ["a damaged state", "state", { state: fail("not a database") }, "critical"],
    [
      "a state that may not be written",
      "state",
      { access: { evidence: "denied", fix: "chown" } },
      "critical",
    ],
    ["a damaged store", "store", { store: ok({ path: "/s", problem: "no HEAD", oldLocks: [] }) }, "critical"],
    ["an old lock", "store", { store: ok({ path: "/s", problem: null, oldLocks: ["/s/a.lock"] }) }, "warn"],
    ["no git", "git", { git: fail("Cannot run git") }, "critical"],
  ])("%s", (_name, id, facts, verdict) => {
    const check = checkOf(id, facts);
    expect(check.verdict).toBe(verdict);
    // What is not well says what to do.
    expect(check.fix === null).toBe(verdict === "ok");
    expect(check.evidence).not.toBe("");
  });
});

describe("judgeHealth() says what is wrong in words", () => {
  test.each<[CheckId, Partial<HealthFacts>, string]>([
    ["remote", remote({ trouble: "fatal: gone\nadvice" }), "remote in trouble: fatal: gone"],
    [
      "remote",
      remote({ trouble: "fatal: gone", lastFetchWallMs: NOW - 12 * MIN }),
      "remote in trouble for 12 min: fatal: gone",
    ],
    [
      "queue",
      queue({ dead: 2, reason: "hook declined" }),
      "2 messages are dead, refused by the remote: hook declined",
    ],
    [
      "queue",
      queue({ waiting: 3, oldestWallMs: NOW - 6 * MIN }),
      "3 messages wait to be sent, the oldest for 6 min",
    ],
    ["disk", gib(300 * MIB), "the disk is nearly full: 300.0 MiB free of 100.0 GiB where /state is"],
    ["monitor", { monitor: ok(null) }, "no monitor is running: nothing is received or answered"],
    [
      "monitor",
      { monitor: ok({ ...MONITOR, answers: false }) },
      "the monitor (pid 7) runs and does not answer",
    ],
    [
      "breaker",
      { breaker: { state: "open", untilWallMs: NOW + 90_000 } },
      "the breaker is open: tried again as soon as the network answers anew, at the latest in 1 min 30 s",
    ],
  ])("%s", (id, facts, evidence) => {
    expect(checkOf(id, facts).evidence).toBe(evidence);
  });
});

test.each([
  [100, 25, 75],
  [100, 200, 0],
  [100, -5, 100],
  [0, 0, 100],
])("usedPercentOf() of %d bytes with %d available is %d", (totalBytes, availableBytes, percentUsed) => {
  expect(usedPercentOf({ totalBytes, availableBytes })).toBe(percentUsed);
});

test("levelOf() lets critical win", () => {
  expect([levelOf(true, true), levelOf(false, true), levelOf(false, false)]).toEqual([
    "critical",
    "warn",
    "ok",
  ]);
});

test("judgeHealth() is critical while the own refs hold the server, and warns of strangers on them", () => {
  const trouble = {
    held: true,
    kind: "other-machine",
    detail: "another machine uses this id",
    fix: "Stop it",
  };
  const check = (ownRefs: HealthFacts["ownRefs"]) =>
    judge({ ownRefs }).checks.find(({ id }) => id === "own-refs");
  expect(check(ok([trouble]))).toMatchObject({
    verdict: "critical",
    figure: "held",
    evidence: "held: another machine uses this id",
    fix: "Stop it",
  });
  const stranger = { held: false, kind: "stranger", detail: "junk", fix: "fleetd doctor" };
  expect(check(ok([stranger]))).toMatchObject({ verdict: "warn", figure: "stranger", evidence: "junk" });
  expect(check(ok([trouble, stranger]))?.evidence).toEndWith("; and 1 more");
  expect(check({ ok: false, error: "gone" })).toMatchObject({ verdict: "unknown" });
});
