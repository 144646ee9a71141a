// As test/faults/trust.test.ts: a change of the key killed at random points, as often as FLEETD_TRUST_KILLS says, and
// changes of the key that are forged in a random order beside a monitor, as many as FLEETD_TRUST_FORGERIES says.
import { expect, test } from "bun:test";
import { createRandom } from "../helpers/random.ts";
import { FORGERIES, killRotations, TrustRing } from "../helpers/trust-ring.ts";
import { until } from "../helpers/wire-fleet.ts";
import { WireWriter } from "../helpers/wire-writer.ts";

const KILLS = Number(process.env["FLEETD_TRUST_KILLS"] ?? 200);
const FORGED = Number(process.env["FLEETD_TRUST_FORGERIES"] ?? 120);
const SEED = Number(process.env["FLEETD_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const MS_PER_STEP_MAX = 10_000;
const WITHIN_MS = 60_000;

const isLong = process.env["FLEETD_LONG"] === "1";
const hasKeygen = Bun.which("ssh-keygen") !== null;
if (!isLong) console.log("skipped: the long suite of attacks on keys, because FLEETD_LONG is not 1");
else if (!hasKeygen) console.log("skipped: forged changes of a key, since there is no ssh-keygen here");

test.skipIf(!isLong || process.platform === "win32")(
  "a change of the key survives kill -9 at random points",
  async () => {
    const ring = new TrustRing();
    try {
      for (const server of ["a", "b"]) await ring.run(server, "init");
      const plan = { kills: KILLS, random: createRandom(SEED) };
      const { landed, faults } = await killRotations(ring, { server: "a", reader: "b" }, plan);
      console.log(`\ntrust rotate: ${landed} of ${KILLS} kills landed, FLEETD_KILL_SEED=${SEED}`);
      expect(faults).toEqual([]);
      expect(landed).toBeGreaterThan(0);
    } finally {
      await ring.remove();
    }
  },
  300_000 + KILLS * MS_PER_STEP_MAX,
);

test.skipIf(!(isLong && hasKeygen))(
  "forged changes of the key are refused, whatever comes between them",
  async () => {
    const random = createRandom(SEED);
    const ring = new TrustRing();
    try {
      for (const server of ["b", "honest"]) await ring.run(server, "init");
      const owner = new WireWriter(ring.fleet, "owner").join();
      const names = Object.keys(FORGERIES);
      const bodies: string[] = [];
      const monitor = await ring.monitor("b");
      for (let round = 0; round < FORGED; round += 1) {
        const forge = FORGERIES[names[Math.floor(random() * names.length)] ?? ""];
        if (forge !== undefined) owner.push(forge(owner, ring.fleet.publicKey("honest")));
        // The owner writes on, and changes its key as it should from time to time.
        if (random() < 0.2) owner.rotate();
        bodies.push(`round ${round}`);
        owner.push([owner.message("b", `round ${round}`, { kind: "info" })]);
        if (random() < 0.3) owner.pushCard(owner.card(round + 1));
      }
      const expected = bodies.toSorted();
      const hasAll = async (): Promise<boolean> => (await ring.bodies("b")).length >= expected.length;
      await until(hasAll, "b has everything", WITHIN_MS);
      await monitor.stop();
      expect(await ring.bodies("b")).toEqual(expected);
      expect((await ring.trusted("b", "owner"))?.public_key).toBe(owner.publicKey);
      await ring.run("b", "rebuild-index");
      expect(await ring.bodies("b")).toEqual(expected);
      console.log(`\nforged changes of a key: ${FORGED}, none taken, FLEETD_KILL_SEED=${SEED}`);
    } finally {
      await ring.remove();
    }
  },
  300_000 + FORGED * MS_PER_STEP_MAX,
);
