// As test/faults/damage.test.ts, with every file and every kind of damage, or as many of each class as FLEETD_DAMAGE says.
import { test } from "bun:test";
import { defineDamageTests } from "../helpers/damage-suite.ts";
import { KINDS } from "../helpers/damaged-files.ts";

const PER_CLASS = Number(process.env["FLEETD_DAMAGE"] ?? Number.POSITIVE_INFINITY);

if (process.env["FLEETD_LONG"] === "1") {
  defineDamageTests({
    seed: Number(process.env["FLEETD_SEED"] ?? 1),
    perClass: PER_CLASS,
    kinds: KINDS,
    befores: ["stopped", "killed"],
    timeoutMs: 6 * 3_600_000,
  });
} else {
  console.log("skipped: every file damaged in every way, because FLEETD_LONG is not 1");
  test.skipIf(true)("damaged files, the long suite", () => undefined);
}
