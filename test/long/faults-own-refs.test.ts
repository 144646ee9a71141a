// What takes too long for the fast part: two machines that fight over one log, and tidying without grace for a long time.
import { expect, test } from "bun:test";
import { defineTidyingWithoutGrace } from "../helpers/ill-remote-suite.ts";
import { OwnRefsScene, twoNewcomers, until } from "../helpers/own-refs-scene.ts";

/** Messages beside `git prune --expire=now`. */
const SENDS = Number(process.env["FLEETD_TIDYING_SENDS"] ?? 100);

if (process.env["FLEETD_LONG"] === "1") {
  defineTidyingWithoutGrace({ sends: SENDS, daemons: true, timeoutMs: 180_000 + SENDS * 10_000 });
  defineTidyingWithoutGrace({ sends: SENDS, daemons: false, timeoutMs: 180_000 + SENDS * 10_000 });

  test("6. two keys that both wrote one log: a bounded number of recoveries, told, and neither is silenced", async () => {
    const scene = new OwnRefsScene();
    await twoNewcomers(scene);
    const { sandbox } = scene;
    await sandbox.send("x", { to: "a" });
    for (const ref of ["refs/fleet/log/x", "refs/fleet/state/x"]) scene.git("update-ref", "-d", ref);
    await sandbox.run("late", ["send", "hello", "--to", "a"]);
    const one = await sandbox.monitor("x");
    const two = await sandbox.monitor("late");
    const machines = ["x", "late"];
    const isTold = async (machine: string): Promise<boolean> => {
      const { findings } = (await scene.json(machine, "doctor")) as { findings: { id: string }[] };
      return findings.some(({ id }) => id === "own-fight");
    };
    await until("one of them says so", async () => (await Promise.all(machines.map(isTold))).includes(true));
    for (const machine of machines) {
      expect((await scene.ownRefs(machine)).figure).not.toBe("held");
      const sent = await sandbox.run(machine, ["send", "once more", "--to", "a", "--timeout", "2s"]);
      expect(sent.exitCode === 0 || sent.exitCode === 75).toBe(true);
    }
    const merges = Number(scene.git("rev-list", "--count", "--merges", "refs/fleet/log/x"));
    expect(merges).toBeLessThanOrEqual(2 * 8);
    await Promise.all([one.stop(), two.stop()]);
    await sandbox.close();
  }, 240_000);
} else {
  console.log("skipped: the long suite of the own refs, because FLEETD_LONG is not 1");
  test.skipIf(true)("own refs, the long suite", () => undefined);
}
