// As test/faults/trust-meets.test.ts: a reader that was away while a key was changed and its log shortened, and a state that
// was salvaged after the change.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyLives } from "../helpers/key-lives.ts";

const TIMEOUT_MS = 180_000;

const isLong = process.env["FLEETD_LONG"] === "1";
if (!isLong) console.log("skipped: what else befalls a changed key, because FLEETD_LONG is not 1");

let lives: KeyLives;
beforeEach(() => {
  lives = new KeyLives();
});
afterEach(async () => await lives.fleet.remove(), TIMEOUT_MS);

test.skipIf(!isLong)(
  "a log whose key was changed and that was shortened while a reader was away is an alarm there, and trust add takes it as it is",
  async () => {
    await lives.fleet.init(["a", "c"]);
    await lives.send("a", "c", "old");
    expect(await lives.said("c")).toEqual(["old"]);
    const first = await lives.trusted("a");
    await lives.send("a", "c", "gone");
    const print = await lives.rotate("a");
    await lives.send("a", "c", "missed");
    expect(await lives.compact("a", lives.impatient)).toMatchObject({ status: "done" });
    await lives.send("a", "c", "status? seen", "--kind", "request");
    // An alarm counts from the second look on.
    for (let look = 0; look < 2; look += 1) expect(await lives.said("c")).toEqual(["old"]);
    expect((await lives.findings("c"))["alarm-rewritten"]).toContain("a: its log at");
    expect((await lives.fleet.run(["doctor"], { as: "c" })).stdout).toContain("fleetd trust add");
    const asked = await lives.fleet.run(["trust", "add", "a"], { as: "c" });
    expect([asked.code, asked.stderr]).toEqual([64, expect.stringContaining(`would be ${print}`)]);
    expect(asked.stderr).toContain(String(first[0]?.["fingerprint"]));

    await lives.fleet.text(["trust", "add", "a", print, "--yes"], { as: "c" });
    expect(await lives.saidTwice("c")).toEqual(["old", "missed", "status? seen"]);
    expect(await lives.findings("c")).not.toHaveProperty("alarm-rewritten");
    const later = await lives.send("a", "c", "status? later", "--kind", "request");
    await lives.handle("c", "a");
    expect(lives.answersOf("c")).toEqual([later["id"]]);
    expect(await lives.saidTwice("c")).toEqual(["old", "missed", "status? seen", "status? later"]);
  },
  TIMEOUT_MS,
);

test.skipIf(!isLong)(
  "a log whose key was changed is adopted by a state that was salvaged after the change",
  async () => {
    await lives.fleet.init(["a", "b"]);
    await lives.send("a", "b", "old");
    await lives.said("b");
    const print = await lives.rotate("a");
    await lives.send("a", "b", "new");
    const paths = join(lives.fleet.root, "a");
    for (const suffix of ["-wal", "-shm"]) rmSync(join(paths, `state.db${suffix}`), { force: true });
    writeFileSync(join(paths, "state.db"), "");
    expect((await lives.fleet.run(["send", "x", "--to", "b"], { as: "a" })).code).toBe(74);
    const fixed = await lives.fleet.run(["doctor", "--fix", "--yes"], { as: "a" });
    expect(fixed.stdout + fixed.stderr).toContain("damaged");
    await lives.send("a", "b", "after");
    expect(await lives.saidTwice("b")).toEqual(["old", "new", "after"]);
    expect(await lives.saidTwice("a", "sent")).toEqual(["old", "new", "after"]);
    const [own] = await lives.trusted("a");
    expect(own).toMatchObject({ fingerprint: print });
    expect(own).toMatchObject({ former: [{ how: "rotated" }] });
    for (const server of ["a", "b"]) {
      expect(await lives.alarms(server)).toEqual([]);
    }
    // Who has read up to the change keeps the log from being cut before it, also now.
    expect(await lives.compact("a", lives.eager)).toMatchObject({ status: "nothing" });
    await lives.handle("b", "a");
    expect(await lives.compact("a", lives.eager)).toMatchObject({ status: "done" });
    expect(await lives.saidTwice("b")).toEqual(["old", "new", "after"]);
  },
  TIMEOUT_MS,
);
