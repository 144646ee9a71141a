// As test/faults/kills.test.ts, with as many kills as FLEETD_KILLS says.
import { test } from "bun:test";
import { defineKillTests } from "../helpers/kill-suite.ts";

const KILLS = Number(process.env["FLEETD_KILLS"] ?? 2_000);
/** A kill and the recovery from it took 0.4 to 1.4 s on two busy cores, measured. */
const MS_PER_KILL_MAX = 5_000;

if (process.env["FLEETD_LONG"] === "1") {
  const share = (part: number): number => Math.ceil(KILLS * part);
  defineKillTests({
    sends: share(0.35),
    sendersDaemon: share(0.2),
    receiver: share(0.25),
    // The fleet grows with each of them, and so does what every next one has to read.
    inits: share(0.05),
    founders: share(0.05),
    compactions: share(0.1),
    timeoutMs: 60_000 + KILLS * MS_PER_KILL_MAX,
  });
} else {
  console.log("skipped: the long suite of kills, because FLEETD_LONG is not 1");
  test.skipIf(true)("kill -9, the long suite", () => undefined);
}
