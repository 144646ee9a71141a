// As the tests of hostile words, pushes and terminals in test/faults, with as many cases as the variables say.
import { test } from "bun:test";
import { defineInjectionTests } from "../helpers/injection-suite.ts";
import { definePoisonTests } from "../helpers/poison-suite.ts";

/** Words for each argument of each command; there are about 65, and all of them take an hour on two cores. */
const WORDS = Number(process.env["FLEETD_WORDS"] ?? 20);

/** Hostile pushes, 20 in a round. */
const PUSHES = Number(process.env["FLEETD_PUSHES"] ?? 1_000);

if (process.env["FLEETD_LONG"] === "1") {
  defineInjectionTests({ wordsPerArgument: WORDS, wordsPerVariable: WORDS, timeoutMs: 3_600_000 });
  definePoisonTests({ rounds: Math.ceil(PUSHES / 20), strikes: 20, timeoutMs: 3_600_000 });
} else {
  console.log("skipped: the long suite of poison, because FLEETD_LONG is not 1");
  test.skipIf(true)("poison, the long suite", () => undefined);
}
