import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type BreakerState,
  closedBreaker,
  type Decision,
  type Outcome,
  type Permit,
  stepBreaker,
  type Transition,
  untilAdmitted,
} from "../../../src/resilience/breaker.ts";
import { BreakerOpenError } from "../../../src/resilience/breaker-open-error.ts";
import { BREAKER_PROFILES, type BreakerSettings } from "../../../src/resilience/breaker-settings.ts";

/** A breaker with a clock that the test moves. */
class Bench {
  state: BreakerState = closedBreaker();
  nowMs = 1_000;
  random = 0.5;
  readonly events: Transition[] = [];
  readonly settings: BreakerSettings;
  constructor(settings: Partial<BreakerSettings> = {}) {
    this.settings = { ...BREAKER_PROFILES.standard, ...settings };
  }

  ask(): Decision {
    return this.#step({ kind: "admit" }) ?? expect.unreachable();
  }

  permit(): Permit {
    const decision = this.ask();
    return decision.admitted ? decision.permit : expect.unreachable();
  }

  report(permit: Permit, outcome: Outcome, cause?: string): void {
    this.#step({ kind: "report", permit, outcome, ...(cause === undefined ? {} : { cause }) });
  }

  call(outcome: Outcome, cause?: string): void {
    this.report(this.permit(), outcome, cause);
  }

  fail(times: number): void {
    for (let count = 1; count <= times; count += 1) this.call("failed", `no ${count}`);
  }

  tellNetworkIsBack(): void {
    this.#step({ kind: "network-is-back" });
  }

  kinds(): string[] {
    return this.events.map((event) => event.to);
  }

  #step(event: Parameters<typeof stepBreaker>[1]): Decision | null {
    const moment = { nowMs: this.nowMs, random: this.random };
    const { state, decision, effects } = stepBreaker(this.state, event, moment, this.settings);
    this.state = state;
    this.events.push(...effects);
    return decision;
  }
}

const opened = (settings: Partial<BreakerSettings> = {}): Bench => {
  const bench = new Bench(settings);
  bench.fail(bench.settings.failures);
  expect(bench.state.kind).toBe("open");
  return bench;
};

describe("case 1", () => {
  test("four failures, a success, four failures: closed", () => {
    const bench = new Bench();
    bench.fail(4);
    bench.call("succeeded");
    bench.fail(4);
    expect(bench.state).toMatchObject({ kind: "closed", failures: 4 });
    expect(bench.events).toEqual([]);
  });

  test("the fifth consecutive failure opens; that caller was let through, the next one sees open", () => {
    const bench = new Bench();
    bench.fail(4);
    const fifth = bench.ask();
    expect(fifth.admitted).toBe(true);
    if (fifth.admitted) bench.report(fifth.permit, "failed", "its own error");
    expect(bench.ask()).toMatchObject({ admitted: false, refusal: { reason: "open" } });
  });
});

describe("case 2", () => {
  test.each([
    ["standard", BREAKER_PROFILES.standard, 30_000, 1],
    ["patient", BREAKER_PROFILES.patient, 300_000, 2],
  ])(
    "profile %s: 5 failures, its open time, one probe at a time, its successes",
    (_, profile, openForMs, successes) => {
      const bench = opened(profile);
      expect(bench.events).toEqual([{ to: "open", openForMs }]);
      bench.nowMs += openForMs;
      for (let count = 1; count <= successes; count += 1) {
        expect(bench.state.kind).toBe(count === 1 ? "open" : "half-open");
        const probe = bench.permit();
        expect(bench.ask().admitted).toBe(false);
        bench.report(probe, "succeeded");
      }
      expect(bench.state.kind).toBe("closed");
      expect(bench.kinds()).toEqual(["open", "half-open", "closed"]);
    },
  );
});

describe("case 7", () => {
  test("the refusal has a retry-after and the last causes, and becomes an error with a name", () => {
    const bench = opened();
    bench.nowMs += 10_000;
    const decision = bench.ask();
    if (decision.admitted) return expect.unreachable();
    expect(decision.refusal).toEqual({
      reason: "open",
      retryAfterMs: 20_000,
      causes: ["no 3", "no 4", "no 5"],
    });
    const error = new BreakerOpenError("remote", decision.refusal);
    expect(error).toMatchObject({
      name: "BreakerOpenError",
      message: 'Cannot call "remote": its breaker is open: no 5',
      breaker: "remote",
      retryAfterMs: 20_000,
      causes: ["no 3", "no 4", "no 5"],
    });
  });

  test("rejections are counted apart and are no failures", () => {
    const bench = opened();
    for (let count = 0; count < 7; count += 1) bench.ask();
    expect(bench.state.counts).toMatchObject({ admitted: 5, failed: 5, rejected: 7 });
  });

  test("the same cause is kept once, and three at most", () => {
    const bench = new Bench({ failures: 9 });
    for (const cause of ["a", "a", "b", "c", "", "d", "b"]) bench.call("failed", cause);
    expect(bench.state.causes).toEqual(["c", "d", "b"]);
  });
});

describe("case 8", () => {
  test("one ms before expiry it refuses, at expiry it admits", () => {
    const bench = opened();
    bench.nowMs += 29_999;
    expect(bench.ask().admitted).toBe(false);
    bench.nowMs += 1;
    expect(bench.ask().admitted).toBe(true);
  });

  test("reading the state has no effect, at expiry either", () => {
    const bench = opened();
    bench.nowMs += 30_000;
    const before = structuredClone(bench.state);
    for (let count = 0; count < 5; count += 1) {
      expect(untilAdmitted(bench.state, bench.nowMs, bench.settings)).toBe(0);
    }
    expect(bench.state).toEqual(before);
    expect(untilAdmitted(bench.state, bench.nowMs - 1, bench.settings)).toBe(1);
  });
});

describe("case 9", () => {
  test.each([1, 3])(
    "half-open with %d permits and ten callers: exactly so many run, the rest is refused at once",
    (permits) => {
      const bench = opened({ permits });
      bench.nowMs += 30_000;
      const answers = Array.from({ length: 10 }, () => bench.ask());
      expect(answers.filter((answer) => answer.admitted)).toHaveLength(permits);
      const refused = answers.find((answer) => !answer.admitted);
      expect(refused).toMatchObject({ refusal: { reason: "probing", retryAfterMs: bench.settings.leaseMs } });
      expect(bench.kinds()).toEqual(["open", "half-open"]);
    },
  );
});

describe("case 10", () => {
  test("so many successes are needed", () => {
    const bench = opened({ successes: 3 });
    bench.nowMs += 30_000;
    bench.call("succeeded");
    bench.call("succeeded");
    expect(bench.state.kind).toBe("half-open");
    bench.call("succeeded");
    expect(bench.state).toMatchObject({ kind: "closed", failures: 0, causes: [] });
  });

  test("one failure reopens at once, and earlier successes count no more", () => {
    const bench = opened({ successes: 2 });
    bench.nowMs += 30_000;
    bench.call("succeeded");
    bench.call("failed", "again");
    expect(bench.state).toMatchObject({ kind: "open", untilMs: bench.nowMs + 30_000 });
    bench.nowMs += 30_000;
    bench.call("succeeded");
    expect(bench.state.kind).toBe("half-open");
  });
});

describe("case 11", () => {
  test("a probe that never reports loses its lease, and the next one may go", () => {
    const bench = opened({ leaseMs: 5_000 });
    bench.nowMs += 30_000;
    bench.permit();
    bench.nowMs += 4_999;
    expect(bench.ask()).toMatchObject({ admitted: false, refusal: { retryAfterMs: 1 } });
    bench.nowMs += 1;
    expect(bench.ask().admitted).toBe(true);
    expect(bench.state.counts.lost).toBe(1);
  });

  test.each(["succeeded", "failed"] as const)("its late result is ignored: %s", (outcome) => {
    const bench = opened({ leaseMs: 5_000 });
    bench.nowMs += 30_000;
    const late = bench.permit();
    bench.nowMs += 5_000;
    const second = bench.permit();
    const before = bench.state;
    bench.report(late, outcome);
    expect(bench.state).toEqual(before);
    bench.report(second, "succeeded");
    const closed = bench.state;
    bench.report(late, outcome);
    expect(bench.state).toEqual(closed);
  });
});

describe("case 12", () => {
  test("an excluded outcome frees the permit and decides nothing", () => {
    const bench = opened();
    bench.nowMs += 30_000;
    bench.call("excluded");
    expect(bench.state).toMatchObject({ kind: "half-open", successes: 0, probes: [] });
    expect(bench.ask().admitted).toBe(true);
  });

  test("while closed it neither counts as a failure nor ends a row of them", () => {
    const bench = new Bench();
    bench.fail(4);
    bench.call("excluded");
    expect(bench.state).toMatchObject({ kind: "closed", failures: 4 });
    bench.fail(1);
    expect(bench.state.kind).toBe("open");
  });
});

describe("case 13", () => {
  test.each(["succeeded", "failed"] as const)(
    "a result of an older generation changes nothing: %s",
    (outcome) => {
      const bench = new Bench();
      const old = bench.permit();
      bench.fail(5);
      const { counts: _, ...whileOpen } = bench.state;
      bench.report(old, outcome);
      expect(bench.state).toMatchObject(whileOpen);
      const older = bench.state.counts;
      expect(older.admitted).toBe(older.succeeded + older.failed);
      bench.nowMs += 30_000;
      bench.call("succeeded");
      bench.report(old, "failed");
      expect(bench.state).toMatchObject({ kind: "closed", failures: 0 });
    },
  );
});

describe("case 14", () => {
  test("twenty failures at once are one transition and one event", () => {
    const bench = new Bench();
    const permits = Array.from({ length: 20 }, () => bench.permit());
    for (const permit of permits) bench.report(permit, "failed", "gone");
    expect(bench.kinds()).toEqual(["open"]);
    expect(bench.state).toMatchObject({ kind: "open", openings: 1, counts: { failed: 20 } });
  });
});

describe("case 15", () => {
  const growing = { growth: 2, openForMsMax: 200_000, jitter: 0.1 };

  test("the open time doubles up to the cap within jitter, and returns to its base", () => {
    const bench = opened(growing);
    for (const plainMs of [60_000, 120_000, 200_000, 200_000]) {
      bench.nowMs += 300_000;
      bench.random = plainMs === 120_000 ? 0 : 0.999_999;
      bench.call("failed");
      const last = bench.events.at(-1)?.openForMs ?? 0;
      expect(Math.abs(last - plainMs)).toBeCloseTo(plainMs * 0.1, -1);
    }
    bench.random = 0.5;
    bench.nowMs += 300_000;
    bench.call("succeeded");
    bench.fail(5);
    expect(bench.events.at(-1)).toEqual({ to: "open", openForMs: 30_000 });
  });

  test("more than 2^31 ms work", () => {
    const openForMs = 2 ** 31 + 5;
    const bench = opened({ openForMs });
    bench.nowMs += openForMs - 1;
    expect(bench.ask()).toMatchObject({ admitted: false, refusal: { retryAfterMs: 1 } });
    bench.nowMs += 1;
    expect(bench.ask().admitted).toBe(true);
  });

  test("a long row of failed probes overflows nothing", () => {
    const bench = opened({ growth: 10 });
    for (let count = 0; count < 400; count += 1) {
      bench.nowMs = bench.state.kind === "open" ? bench.state.untilMs : bench.nowMs;
      if (bench.nowMs > 1e15) break;
      bench.call("failed");
    }
    expect(Number.isFinite(bench.nowMs)).toBe(true);
  });
});

describe("network-is-back", () => {
  test("admits a probe at once, one, and nothing else changes", () => {
    const bench = opened();
    bench.tellNetworkIsBack();
    expect(bench.kinds()).toEqual(["open"]);
    expect(bench.ask().admitted).toBe(true);
    expect(bench.ask().admitted).toBe(false);
  });

  test("says nothing while closed or half-open", () => {
    const closed = new Bench();
    closed.tellNetworkIsBack();
    expect(closed.state).toEqual(closedBreaker());
    const bench = opened();
    bench.nowMs += 30_000;
    bench.permit();
    const before = bench.state;
    bench.tellNetworkIsBack();
    expect(bench.state).toEqual(before);
  });
});

describe("whatever happens", () => {
  type Deed = (bench: Bench, running: Permit[]) => void;
  const ask: Deed = (bench, running) => {
    const decision = bench.ask();
    if (decision.admitted) running.push(decision.permit);
  };
  const deed: fc.Arbitrary<Deed> = fc.oneof(
    fc.constant(ask),
    fc.nat(40_000).map(
      (ms): Deed =>
        (bench) => {
          bench.nowMs += ms;
        },
    ),
    fc.constant<Deed>((bench) => bench.tellNetworkIsBack()),
    fc.tuple(fc.nat(30), fc.constantFrom<Outcome>("succeeded", "failed", "excluded")).map(
      ([which, outcome]): Deed =>
        (bench, running) => {
          const [permit] = running.splice(which % Math.max(1, running.length), 1);
          if (permit !== undefined) bench.report(permit, outcome, "no");
        },
    ),
  );
  const deeds = fc.array(deed, { maxLength: 120 });
  const permitCounts = fc.integer({ min: 1, max: 3 });

  test("admitted = succeeded + failed + excluded + lost + running", () => {
    const check = (all: Deed[], permits: number): void => {
      const bench = new Bench({ permits, leaseMs: 10_000, successes: 2 });
      const running: Permit[] = [];
      for (const one of all) one(bench, running);
      const plain = running.filter((permit) => permit.probe === null).length;
      const probing = bench.state.kind === "half-open" ? bench.state.probes.length : 0;
      const { admitted, succeeded, failed, excluded, lost } = bench.state.counts;
      expect(admitted).toBe(succeeded + failed + excluded + lost + plain + probing);
    };
    fc.assert(fc.property(deeds, permitCounts, check));
  });

  test("never more probes run than there are permits", () => {
    const check = (all: Deed[], permits: number): void => {
      const bench = new Bench({ permits, leaseMs: 10_000, successes: 2 });
      const running: Permit[] = [];
      for (const one of all) {
        one(bench, running);
        const probing = bench.state.kind === "half-open" ? bench.state.probes.length : 0;
        expect(probing).toBeLessThanOrEqual(permits);
      }
    };
    fc.assert(fc.property(deeds, permitCounts, check));
  });

  test("every transition follows the one before, and the last one is the state", () => {
    const after: Readonly<Record<string, readonly string[]>> = {
      closed: ["open"],
      open: ["half-open"],
      "half-open": ["open", "closed"],
    };
    const check = (all: Deed[]): void => {
      const bench = new Bench();
      const running: Permit[] = [];
      for (const one of all) one(bench, running);
      let last = "closed";
      for (const kind of bench.kinds()) {
        expect(after[last]).toContain(kind);
        last = kind;
      }
      expect(bench.state.kind).toBe(last as BreakerState["kind"]);
    };
    fc.assert(fc.property(deeds, check));
  });
});
