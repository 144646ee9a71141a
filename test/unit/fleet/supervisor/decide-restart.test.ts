import { describe, expect, test } from "bun:test";
import {
  decideRestart,
  describeEnd,
  type EndReason,
  FRESH_HISTORY,
  type RestartHistory,
  type RestartRules,
  settleStable,
} from "../../../../src/fleet/supervisor/decide-restart.ts";

const RULES: RestartRules = {
  policy: "on-failure",
  firstMs: 500,
  longestMs: 60_000,
  stableMs: 10_000,
  failures: 5,
  withinMs: 60_000,
  slowMs: 300_000,
};
const CRASH: EndReason = { kind: "code", code: 1 };
/** In the middle of the jitter: pauses are what the rules say. */
const MIDDLE = 0.5;

/** Lets a service fail at these instants; answers every decision. */
function fail(rules: RestartRules, instantsMs: readonly number[], random = MIDDLE) {
  let history: RestartHistory = FRESH_HISTORY;
  return instantsMs.map((nowMonoMs) => {
    const decision = decideRestart(rules, history, CRASH, { nowMonoMs, random });
    history = decision.history;
    return decision;
  });
}

const delaysOf = (decisions: readonly ReturnType<typeof decideRestart>[]): number[] =>
  decisions.flatMap((one) => (one.kind === "restart" ? [one.delayMs] : []));

describe("decideRestart() and the policy", () => {
  const kindAfter = (policy: RestartRules["policy"], end: EndReason): string =>
    decideRestart({ ...RULES, policy }, FRESH_HISTORY, end, { nowMonoMs: 0, random: MIDDLE }).kind;

  test.each([
    ["no", "stay", "stay", "stay"],
    ["on-failure", "stay", "restart", "restart"],
    ["always", "restart", "restart", "restart"],
    ["unless-stopped", "restart", "restart", "restart"],
  ] as const)("%s: after 0 %s, after 1 %s, after a signal %s", (policy, zero, one, signal) => {
    expect(kindAfter(policy, { kind: "code", code: 0 })).toBe(zero);
    expect(kindAfter(policy, CRASH)).toBe(one);
    expect(kindAfter(policy, { kind: "signal", signal: "SIGSEGV" })).toBe(signal);
  });

  test.each(["no", "on-failure", "always", "unless-stopped"] as const)(
    "%s starts anew what a watched file or a dependency ended",
    (policy) => {
      expect(kindAfter(policy, { kind: "watch", detail: "app.js" })).toBe("restart");
      expect(kindAfter(policy, { kind: "dependency", detail: "db" })).toBe("restart");
    },
  );
});

describe("decideRestart() and its pauses", () => {
  test("they begin at 0.5 s and double up to 60 s", () => {
    const rare = { ...RULES, failures: 100 };
    expect(delaysOf(fail(rare, [...Array(9).keys()]))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
    ]);
  });

  test("are up to a fifth shorter or longer", () => {
    expect(delaysOf(fail(RULES, [0], 0))).toEqual([400]);
    expect(delaysOf(fail(RULES, [0], 0.9999))).toEqual([600]);
  });

  test("begin anew only after it was ready and stable", () => {
    const [first, second] = fail(RULES, [0, 100_000]);
    expect([
      first?.kind === "restart" && first.delayMs,
      second?.kind === "restart" && second.delayMs,
    ]).toEqual([500, 1_000]);
    const well = settleStable(second?.history ?? FRESH_HISTORY);
    const third = decideRestart(RULES, well, CRASH, { nowMonoMs: 200_000, random: MIDDLE });
    expect(third).toMatchObject({ delayMs: 500 });
  });

  test("what was decided here waits for nothing and counts for nothing", () => {
    const [failed] = fail(RULES, [0]);
    const history = failed?.history ?? FRESH_HISTORY;
    const decision = decideRestart(
      RULES,
      history,
      { kind: "watch", detail: "a" },
      { nowMonoMs: 1, random: 0 },
    );
    expect(decision).toEqual({ kind: "restart", delayMs: 0, history, alarm: false });
  });
});

describe("decideRestart() and crash loops", () => {
  test("five failures in 60 s alarm once, and the tries go on slowly for ever", () => {
    const decisions = fail(
      RULES,
      [0, 1, 2, 3, 4, 300_000, 600_000].map((second) => second * 1_000),
    );
    expect(decisions.map((one) => one.kind === "restart" && one.alarm)).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(delaysOf(decisions)).toEqual([500, 1_000, 2_000, 4_000, 300_000, 300_000, 300_000]);
  });

  test("five failures over a longer time are none", () => {
    const decisions = fail(
      RULES,
      [0, 16, 32, 48, 64].map((second) => second * 1_000),
    );
    expect(decisions.some((one) => one.kind === "restart" && one.alarm)).toBe(false);
  });

  test("a stable time ends one, and the next one alarms again", () => {
    const last = fail(RULES, [0, 1, 2, 3, 4]).at(-1);
    const well = settleStable(last?.history ?? FRESH_HISTORY);
    expect(well).toMatchObject({ isLooping: false, failures: 0 });
    const again = decideRestart(RULES, well, CRASH, { nowMonoMs: 5, random: MIDDLE });
    expect(again).toMatchObject({ alarm: true });
  });
});

test("describeEnd() has words for every reason", () => {
  const ends: EndReason[] = [
    { kind: "code", code: 3 },
    { kind: "signal", signal: "SIGKILL" },
    { kind: "oom" },
    { kind: "probe", detail: "GET /health: 503" },
    { kind: "watch", detail: "src/app.js" },
    { kind: "memory", detail: "600 MiB of 512 MiB" },
    { kind: "dependency", detail: "db was started anew" },
    { kind: "spawn", detail: 'no program "nothing"' },
    { kind: "unknown" },
    { kind: "person" },
  ];
  expect(ends.map(describeEnd)).toEqual([
    "exit code 3",
    "ended by SIGKILL",
    "out of memory, ended by the kernel",
    "probe: GET /health: 503",
    "changed: src/app.js",
    "memory: 600 MiB of 512 MiB",
    "dependency: db was started anew",
    'no program "nothing"',
    "ended while no monitor ran, exit code unknown",
    "by request",
  ]);
});
