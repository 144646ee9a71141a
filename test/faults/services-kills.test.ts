// The daemon dies, its services do not: few times here, more in test/long/services-kills.test.ts.
import { test } from "bun:test";
import { createRandom } from "../helpers/random.ts";
import { defineServiceKills } from "../helpers/service-kills-suite.ts";

const SEED = Date.now() % 1_000_000;

if (process.platform === "linux") {
  console.log(`kills of a daemon with services: seed ${SEED}`);
  defineServiceKills({
    services: 20,
    kills: 3,
    linesPerSecond: 100,
    random: createRandom(SEED),
    timeoutMs: 240_000,
  });
} else {
  console.log("skipped: kills of a daemon with services, because there is no /proc here");
  test.skipIf(true)("kill -9 of a daemon with services", () => undefined);
}
