// A changed key and a withdrawn trust beside everything else that befalls a log: it is deleted, shortened, read anew, its
// owner's state is put back from before the change. On the compiled executable and a real remote.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KeyLives } from "../helpers/key-lives.ts";
import type { Ran } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";
import { until } from "../helpers/wire-fleet.ts";

const TIMEOUT_MS = 180_000;
const WITHIN_MS = 60_000;

type Json = Record<string, unknown>;

let lives: KeyLives;
beforeEach(() => {
  lives = new KeyLives();
});
afterEach(async () => await lives.fleet.remove(), TIMEOUT_MS);

test(
  "a server that was deleted and speaks again is an alarm, and after trust add only what comes then is handled",
  async () => {
    await lives.fleet.init(["a", "b"]);
    await lives.send("b", "a", "before");
    expect(await lives.said("a")).toEqual(["before"]);
    expect(await lives.fleet.json(["servers", "forget", "b", "--purge", "--yes"], { as: "a" })).toMatchObject(
      {
        purged: true,
      },
    );
    const monitor = await lives.fleet.monitor("a", [], { env: { FLEETD_CONFIG: lives.eager } });
    await lives.send("b", "a", "status? meanwhile", "--kind", "request");
    await until(async () => "alarm-returned" in (await lives.findings("a")), "it is told", WITHIN_MS);
    expect(await lives.said("a")).toEqual(["before"]);
    const { servers } = await lives.fleet.json(["servers"], { as: "a" });
    expect(servers as Json[]).toContainEqual(
      expect.objectContaining({ server: "b", purged: true, trust: "purged" }),
    );
    const refused: Ran = await lives.fleet.run(["servers", "remember", "b"], { as: "a" });
    expect([refused.code, refused.stderr]).toEqual([65, expect.stringContaining("fleetd trust add b")]);

    await lives.fleet.text(["trust", "add", "b"], { as: "a" });
    expect(await lives.said("a")).toEqual(["before", "status? meanwhile"]);
    const later = await lives.send("b", "a", "status? later", "--kind", "request");
    expect(await eventually(() => lives.answersOf("a").length > 0, WITHIN_MS)).toBe(true);
    await monitor.stop();
    expect(lives.answersOf("a")).toEqual([later["id"]]);
    expect(await lives.findings("a")).not.toHaveProperty("alarm-returned");
    expect(await lives.saidTwice("a")).toEqual(["before", "status? meanwhile", "status? later"]);
    expect(await lives.fleet.text(["servers", "remember", "b"], { as: "a" })).toContain("was not forgotten");
  },
  TIMEOUT_MS,
);

describe("a log whose key was changed", () => {
  test(
    "is shortened behind the change or not at all, and whoever saw the change goes on",
    async () => {
      await lives.fleet.init(["a", "b"]);
      await lives.send("a", "b", "old 1");
      await lives.send("a", "b", "old 2");
      await lives.handle("b", "a");
      const print = await lives.rotate("a");
      await lives.send("a", "b", "new 1");
      const early = await lives.compact("a", lives.eager);
      expect(early).toMatchObject({
        status: "nothing",
        reason: expect.stringContaining("the last change of the own key"),
      });
      expect(lives.logOf("a")[0]?.["type"]).toBe("key");
      await lives.handle("b", "a");
      expect(await lives.compact("a", lives.eager)).toMatchObject({ status: "done" });
      const [root] = lives.logOf("a") as { type: string; keys: { public_key: string; proof?: string }[] }[];
      expect([root?.type, root?.keys.length]).toEqual(["compacted", 2]);
      expect(root?.keys.at(-1)?.proof).toBeDefined();
      expect((await lives.trusted("a"))[0]).toMatchObject({
        fingerprint: print,
        public_key: root?.keys.at(-1)?.public_key,
      });

      await lives.send("a", "b", "new 2");
      const all = ["old 1", "old 2", "new 1", "new 2"];
      expect(await lives.saidTwice("b")).toEqual(all);
      expect(await lives.saidTwice("a", "sent")).toEqual(all);
      // Once more: what is kept of before does not come to the newest key.
      await lives.rotate("a");
      await lives.send("a", "all", "newest");
      expect(await lives.saidTwice("b")).toEqual([...all, "newest"]);
      expect(await lives.saidTwice("a", "sent")).toEqual([...all, "newest"]);
      expect(await lives.alarms("b")).toEqual([]);
      // Who comes new reads what is left, and what is added.
      await lives.fleet.init(["late"]);
      await lives.send("a", "all", "for everybody");
      expect((await lives.saidTwice("late")).at(-1)).toBe("for everybody");
      expect(await lives.alarms("late")).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "stops a state that was put back from before the change, and says why",
    async () => {
      await lives.fleet.init(["a", "b"]);
      await lives.send("a", "b", "old");
      const [folder, backup] = [join(lives.fleet.root, "a"), join(lives.fleet.git.folder, "backup")];
      cpSync(folder, backup, { recursive: true });
      const print = await lives.rotate("a");
      await lives.send("a", "b", "new");
      const before = lives.fleet.git.git(lives.remote, "rev-parse", "refs/fleet/log/a");
      rmSync(folder, { recursive: true });
      cpSync(backup, folder, { recursive: true });
      for (let tries = 0; tries < 2; tries += 1) {
        const ran = await lives.fleet.run(["send", "by the old key", "--to", "b"], { as: "a" });
        expect([ran.code, ran.stderr]).toEqual([77, expect.stringContaining(print)]);
        expect(ran.stderr).toContain("was changed");
      }
      expect(Object.values(await lives.findings("a")).join()).toContain("was changed");
      expect(lives.fleet.git.git(lives.remote, "rev-parse", "refs/fleet/log/a")).toBe(before);
      expect(await lives.said("b")).toEqual(["old", "new"]);
    },
    TIMEOUT_MS,
  );
});
