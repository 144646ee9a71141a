// As test/faults/simulation.test.ts, with many seeds, and with large fleets for a day.
import { expect, test } from "bun:test";
import { playSeeds } from "../helpers/simulated-seeds.ts";

const TIMEOUT_MS = 12 * 3_600_000;

if (process.env["FLEETD_LONG"] === "1") {
  test(
    "2,000 seeds of 8 servers and 2 hours keep every promise",
    async () => {
      expect(await playSeeds({ first: 1_001, last: 3_000, servers: 8, hours: 2 })).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "20 seeds of 50 servers and a day keep every promise",
    async () => {
      expect(await playSeeds({ first: 1, last: 20, servers: 50, hours: 24 })).toEqual([]);
    },
    TIMEOUT_MS,
  );
} else {
  console.log("skipped: the long simulation, because FLEETD_LONG is not 1");
  test.skipIf(true)("simulation, the long suite", () => undefined);
}
