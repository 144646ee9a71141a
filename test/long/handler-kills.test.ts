// As test/faults/handler-kills.test.ts, with as many kills as FLEETD_KILLS says.
import { test } from "bun:test";
import { defineHandlerKillTests } from "../helpers/handler-kill-suite.ts";

const KILLS = Number(process.env["FLEETD_KILLS"] ?? 400);
const MS_PER_KILL_MAX = 10_000;

if (process.env["FLEETD_LONG"] === "1") {
  // Two policies, eight steps and the random moments.
  const perStep = Math.ceil(KILLS / 18);
  defineHandlerKillTests({
    perStep,
    random: perStep,
    tries: 40,
    timeoutMs: 60_000 + KILLS * MS_PER_KILL_MAX,
  });
} else {
  console.log("skipped: the long suite of kills around handlers, because FLEETD_LONG is not 1");
  test.skipIf(true)("kill -9 around handlers, the long suite", () => undefined);
}
