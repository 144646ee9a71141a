// As test/faults/power-cut.test.ts, with as many cuts as FLEETD_POWER_CUTS says.
import { test } from "bun:test";
import { definePowerTests } from "../helpers/power-suite.ts";

const CUTS = Number(process.env["FLEETD_POWER_CUTS"] ?? 40);
/** A cut, the recovery and the judgement took 2 to 5 s on two busy cores, measured; longer as the fleet grows. */
const MS_PER_CUT_MAX = 60_000;

if (process.env["FLEETD_LONG"] === "1") {
  definePowerTests({ cuts: CUTS, controlSends: 12, timeoutMs: 60_000 + CUTS * MS_PER_CUT_MAX });
} else {
  console.log("skipped: the long suite of power cuts, because FLEETD_LONG is not 1");
  test.skipIf(true)("power cuts, the long suite", () => undefined);
}
