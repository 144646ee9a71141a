import { expect, test } from "bun:test";
import { judgeClock } from "../../../../src/fleet/health/judge-clock.ts";
import type { ClockFacts, ClockSample } from "../../../../src/fleet/health/model.ts";

const NOW = 1_800_000_000_000;
const MIN = 60_000;

const sample = (server: string, aheadMs: number, live = true): ClockSample => ({
  server,
  cardWallMs: NOW + aheadMs,
  receivedWallMs: NOW,
  live,
});

test.each<[string, ClockFacts, "ok" | "warn", string]>([
  [
    "nobody else",
    { samples: [], jump: null },
    "ok",
    "no card of another server to compare it with, and no jump",
  ],
  [
    "others in step",
    { samples: [sample("a", 0), sample("b", -4 * MIN)], jump: null },
    "ok",
    "within 5 min of 2 other servers",
  ],
  [
    "one of three ahead",
    { samples: [sample("a", 60 * MIN), sample("b", 0), sample("c", 0)], jump: null },
    "warn",
    "the clock of a is 1 h ahead of this one",
  ],
  [
    "the only other one behind",
    { samples: [sample("a", -60 * MIN)], jump: null },
    "warn",
    "the clock of a is 1 h behind this one",
  ],
  [
    "most ahead: we are behind",
    { samples: [sample("a", 60 * MIN), sample("b", 60 * MIN), sample("c", 0)], jump: null },
    "warn",
    "this clock is 1 h behind, going by 2 of 3 other servers",
  ],
  [
    "most behind: we are ahead",
    { samples: [sample("a", -60 * MIN), sample("b", -60 * MIN)], jump: null },
    "warn",
    "this clock is 1 h ahead, going by 2 of 2 other servers",
  ],
  [
    "an old card that was not live",
    { samples: [sample("a", -60 * MIN, false)], jump: null },
    "ok",
    "within 5 min of 1 other server",
  ],
  [
    "set back",
    { samples: [], jump: { byMs: -24 * 60 * MIN, atWallMs: NOW - MIN } },
    "warn",
    "the clock went back by 1 d while the monitor ran (it was set, or the machine slept)",
  ],
  [
    "set forward",
    { samples: [], jump: { byMs: 10 * MIN, atWallMs: NOW - MIN } },
    "warn",
    "the clock went forward by 10 min while the monitor ran (it was set, or the machine slept)",
  ],
  [
    "set long ago",
    { samples: [], jump: { byMs: 10 * MIN, atWallMs: NOW - 90 * MIN } },
    "ok",
    "no card of another server to compare it with, and no jump",
  ],
  [
    "set a little",
    { samples: [], jump: { byMs: MIN, atWallMs: NOW } },
    "ok",
    "no card of another server to compare it with, and no jump",
  ],
])("judgeClock() with %s", (_name, facts, verdict, evidence) => {
  const judged = judgeClock(facts, NOW);
  expect([judged.verdict, judged.evidence, judged.fix === null]).toEqual([
    verdict,
    evidence,
    verdict === "ok",
  ]);
});
