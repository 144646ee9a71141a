// 30 starters at once, 50 times; each time the one that won is killed, and the next 30 find its place free.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { raceStarters } from "../helpers/starters.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

const ROUNDS = 50;
const STARTERS = 30;

const isLong = process.env["FLEETD_LONG"] === "1";
if (!isLong) console.log(`skipped: ${STARTERS} starters at once, ${ROUNDS} times (only with FLEETD_LONG=1)`);

const fleet = isLong ? new TempFleet() : null;
beforeAll(() => fleet?.init(["code1"]), 60_000);
afterAll(() => fleet?.remove());

test.skipIf(fleet === null)(
  `one of ${STARTERS} starters wins, ${ROUNDS} times, and its place is free as soon as it was killed`,
  async () => {
    if (fleet === null) return;
    const waits: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { winner, losers } = await raceStarters(fleet, "code1", STARTERS);
      const named = losers.filter(({ stderr }) =>
        stderr.includes(`already running (pid ${winner.pid}, since `),
      );
      expect(losers.map(({ code }) => code)).toEqual(Array(STARTERS - 1).fill(69));
      expect(named.length).toBe(STARTERS - 1);
      waits.push(...losers.map(({ durationMs }) => durationMs));
      await winner.stop("SIGKILL");
    }
    waits.sort((one, other) => one - other);
    const median = waits[Math.floor(waits.length / 2)]?.toFixed(0);
    console.log(
      `single instance: ${ROUNDS} x ${STARTERS} starters, ${ROUNDS} winners, ${waits.length} refused with 69 naming them,` +
        ` a refusal took ${median} ms (median, ${STARTERS} at once), ${waits.at(-1)?.toFixed(0)} ms at most`,
    );
  },
  600_000,
);
