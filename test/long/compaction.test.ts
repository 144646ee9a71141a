// Only with FLEETD_LONG=1: the same kills as test/faults/compaction.test.ts, many more of them.
import { expect, test } from "bun:test";
import { judgeCompactions, killCompactions } from "../helpers/compaction-kills.ts";
import { Figures, seconds } from "../helpers/figures.ts";
import { KillRun } from "../helpers/kill-run.ts";

const IS_LONG = process.env["FLEETD_LONG"] === "1";
const KILLS = 300;
const WITHIN_MS = 60 * 60_000;
const SEED = Number(process.env["FLEETD_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

if (!IS_LONG) console.log("skipped: 300 kills of a log being shortened, they run with FLEETD_LONG=1");

test.skipIf(!IS_LONG || process.platform !== "linux")(
  "a log that is shortened may be killed at any point, often",
  async () => {
    const startedMs = performance.now();
    const run = new KillRun(SEED);
    try {
      await killCompactions(run, KILLS);
      expect(await judgeCompactions(run)).toEqual([]);
      expect(run.counts.faults).toEqual([]);
      const figures = new Figures(`compaction: kill -9, long, FLEETD_KILL_SEED=${SEED}`);
      figures.add("kills", `${run.counts.landed} in ${seconds(performance.now() - startedMs)}`);
      figures.print();
    } finally {
      await run.sandbox.close();
    }
  },
  WITHIN_MS,
);
