// Services of every kind under random faults for an hour, or as long as FLEETD_SOAK_MS says: the daemon's memory and
// descriptors stay where they are, and nothing is left over or there twice.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Figures, seconds } from "../helpers/figures.ts";
import { createRandom } from "../helpers/random.ts";
import { ServiceFleet } from "../helpers/service-fleet.ts";
import { ServiceSoak } from "../helpers/service-soak.ts";
import { growthOf } from "../helpers/soak-watch.ts";
import { eventually } from "../helpers/temp-git.ts";

const DURATION_MS = Number(process.env["FLEETD_SOAK_MS"] ?? 3_600_000);
const SEED = Number(process.env["FLEETD_SOAK_SEED"] ?? Date.now() % 1_000_000);
/** A shorter life says nothing about growth: the first minutes fill caches. */
const LIFE_MS_MIN = 600_000;
const GROWTH_MAX = 1.25;
const DESCRIPTORS_MORE_MAX = 8;
const DELEGATED = "/sys/fs/cgroup/unified/fleetd-services";

const isLong = process.env["FLEETD_LONG"] === "1" && process.platform === "linux";
if (!isLong) console.log("skipped: an hour of services under faults (only on Linux with FLEETD_LONG=1)");

const fleet = isLong ? new ServiceFleet() : null;
beforeAll(() => fleet?.init(), 60_000);
afterAll(() => fleet?.close(), 60_000);

test.skipIf(fleet === null)(
  `${seconds(DURATION_MS)} of services under random faults, seed ${SEED}`,
  async () => {
    if (fleet === null) return;
    const soak = new ServiceSoak(fleet, {
      durationMs: DURATION_MS,
      sampleMs: 5_000,
      faultEveryMs: 3_000,
      killEveryMs: 20_000,
      random: createRandom(SEED),
      file: process.env["FLEETD_SOAK_FILE"],
    });
    await soak.run();
    const isEmpty = await eventually(() => fleet.processes().length === 0, 60_000);
    const spools = (): string[] =>
      readdirSync(join(fleet.root, "services.d"), { recursive: true })
        .map(String)
        .filter((name) => /\/spool-/.test(name));
    await eventually(() => spools().length === 0, 30_000);
    const ended = await fleet.running.stop();
    const { watch, injected, adoptions } = soak;

    const life = watch.lives.toSorted((one, other) => other.samples.length - one.samples.length)[0];
    const growth = life === undefined ? null : growthOf(life);
    const runs = new Set(fleet.allStarts().map(({ run }) => run.slice(0, 8)));
    const groups = existsSync(DELEGATED)
      ? readdirSync(DELEGATED).filter((name) => runs.has(name.split(".")[2] ?? ""))
      : [];
    const figures = new Figures(`soak of services, ${seconds(DURATION_MS)}, seed ${SEED}`);
    for (const [what, count] of [...injected].sort()) figures.add(what, count);
    figures.add("starts of services", runs.size);
    figures.add("daemons", watch.lives.length);
    figures.add("looks", watch.looks);
    figures.add("runs adopted of those that lived through", `${adoptions.kept} of ${adoptions.asked}`);
    figures.add(
      "a command took",
      `${seconds(soak.commandPercentile(0.5))} (median), ${seconds(soak.commandPercentile(1))} at most`,
    );
    figures.add("commands that were not answered within 10 s", soak.unanswered);
    for (const slow of soak.slow) figures.add("one that took long", slow);
    if (life !== undefined && growth !== null) {
      const [second, last] = growth.residentKb.map((kb) => `${(kb / 1024).toFixed(1)} MiB`);
      figures.add("longest life of a daemon", seconds(life.samples.at(-1)?.ageMs ?? 0));
      figures.add("its memory, second and last quarter", `${second}, ${last}`);
      figures.add("its descriptors, second and last quarter", growth.descriptors.join(", "));
    }
    figures.add("processes left after stop --all", fleet.processes().length);
    figures.add("spools, control groups left", `${spools().length}, ${groups.length}`);
    figures.add("faults found", watch.faults.length);
    figures.print();

    expect(watch.faults).toEqual([]);
    expect({ isEmpty, code: ended.code, spools: spools(), groups }).toEqual({
      isEmpty: true,
      code: 143,
      spools: [],
      groups: [],
    });
    if (life !== undefined && growth !== null && (life.samples.at(-1)?.ageMs ?? 0) > LIFE_MS_MIN) {
      const [second, last] = growth.residentKb;
      expect(last / second).toBeLessThan(GROWTH_MAX);
      const [before, after] = growth.descriptors;
      expect(after).toBeLessThanOrEqual(before + DESCRIPTORS_MORE_MAX);
    }
  },
  DURATION_MS + 600_000,
);
