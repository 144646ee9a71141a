// As test/faults/services-kills.test.ts, with as many kills as FLEETD_SERVICE_KILLS says.
import { test } from "bun:test";
import { createRandom } from "../helpers/random.ts";
import { defineServiceKills } from "../helpers/service-kills-suite.ts";

const KILLS = Number(process.env["FLEETD_SERVICE_KILLS"] ?? 20);
const SEED = Number(process.env["FLEETD_SERVICE_SEED"] ?? Date.now() % 1_000_000);
/** A kill, the next daemon and the looks at it took 1 to 3 s on two busy cores, measured. */
const MS_PER_KILL_MAX = 30_000;

if (process.env["FLEETD_LONG"] === "1" && process.platform === "linux") {
  console.log(`kills of a daemon with services: seed ${SEED}`);
  defineServiceKills({
    services: 20,
    kills: KILLS,
    linesPerSecond: 500,
    random: createRandom(SEED),
    timeoutMs: 240_000 + KILLS * MS_PER_KILL_MAX,
  });
} else {
  console.log("skipped: many kills of a daemon with services (only on Linux with FLEETD_LONG=1)");
  test.skipIf(true)("kill -9 of a daemon with services, the long suite", () => undefined);
}
