import { beforeEach, describe, expect, test } from "bun:test";
import { fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  buildShortened,
  countRemoved,
  extendShortened,
  withParent,
} from "../../../../src/fleet/messaging/compact-log.ts";
import { markMessage } from "../../../../src/fleet/messaging/mark-message.ts";
import type { CompactedBody } from "../../../../src/fleet/messaging/model.ts";
import { buildMemory, compactMemory, compactPorts, planOf } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
  for (let count = 0; count < 4; count += 1) await me.send({ to: ["code2"], body: `message ${count}` });
});

async function filesOf(commit: string, name: string): Promise<string> {
  const [file] = await me.store.readObjects([`${commit}:${name}`], 1e9);
  return file?.status === "found" ? (fromUtf8(file.content) ?? "") : "";
}

const rootOf = async (tip: string): Promise<CompactedBody & { seq: number; prev: null }> => {
  const [root] = await me.store.listCommits(tip, null, 1e9);
  return JSON.parse(await filesOf(root?.id ?? "", "entries.jsonl")) as CompactedBody & {
    seq: number;
    prev: null;
  };
};

describe("buildShortened()", () => {
  test("says in its root what went, and keeps the files of the rest as they were", async () => {
    const plan = planOf(me, 2);
    const built = await buildMemory(me, 2);
    const old = await me.store.listCommits(plan.tip, plan.cut, 1e9);
    const [, ...kept] = await me.store.listCommits(built.tip, null, 1e9);
    for (const file of ["entries.jsonl", "entries.sig"]) {
      expect(await Promise.all(kept.map(({ id }) => filesOf(id, file)))).toEqual(
        await Promise.all(old.map(({ id }) => filesOf(id, file))),
      );
    }
    const root = await rootOf(built.tip);
    expect(root).toMatchObject({
      type: "compacted",
      seq: 2,
      prev: null,
      count: 2,
      hash: plan.cutHead.hash,
      receipts: [],
    });
    expect(root.keys).toMatchObject([{ type: "key", seq: 1, public_key: me.identity.publicKey }]);
    expect(built).toMatchObject({ fromTip: plan.tip, cut: plan.cut, removed: 2 });
  });

  test("brings every object of the new commits to the disk", async () => {
    const built = await buildMemory(me, 2);
    for (const { id } of await me.store.listCommits(built.tip, null, 1e9))
      expect(me.store.durable.has(id)).toBe(true);
  });

  test("counts all that ever went, and carries keys on, when it is done again", async () => {
    await compactMemory(me, 2);
    const built = await compactMemory(me, 2);
    const root = await rootOf(built.tip);
    expect(root).toMatchObject({ seq: 4, count: 4, keys: [{ type: "key" }] });
    expect(built.removed).toBe(2);
  });

  test("carries the receipts that somebody may still wait for, as they were", async () => {
    const ids = [await other.send({ to: ["code1"] }), await other.send({ to: ["code1"] })];
    await me.receive();
    for (const id of ids) markMessage(me.sendPorts, me.message(id), "read");
    await me.flush();
    await me.send({ to: ["code2"] });
    const open = await rootOf((await buildMemory(me, 6)).tip);
    expect(open.receipts).toMatchObject(
      ids.map((message) => ({ type: "receipt", message, message_from: "code2" })),
    );
    expect(await countRemoved(compactPorts(me), planOf(me, 6))).toEqual({ removed: 7, receipts: 2 });
    // Its card says that it has them.
    await other.receive();
    other.answer();
    await other.flush();
    await me.receive();
    expect((await rootOf((await buildMemory(me, 6)).tip)).receipts).toEqual([]);
  });

  test("builds nothing of a store where something is damaged or gone", async () => {
    const plan = planOf(me, 2);
    const [kept] = await me.store.listCommits(plan.tip, plan.cut, 1e9);
    const [file] = await me.store.readObjects([`${kept?.id}:entries.jsonl`], 1e9);
    const id = file?.status === "found" ? file.id : "";
    me.store.damage(id);
    const build = () => buildShortened(compactPorts(me), plan).catch((thrown: unknown) => thrown);
    expect(await build()).toMatchObject({ code: "IO", message: expect.stringContaining("is damaged") });
    me.store.objects.delete(id);
    expect(await build()).toMatchObject({
      code: "IO",
      message: expect.stringContaining("is damaged or lost"),
    });
  });

  test("builds nothing when what goes does not end where the state says", async () => {
    const plan = planOf(me, 2);
    const wrong = { ...plan, cutHead: { ...plan.cutHead, hash: `sha256:${"0".repeat(64)}` } };
    const thrown = await buildShortened(compactPorts(me), wrong).catch((one: unknown) => one);
    expect(thrown).toMatchObject({ code: "IO" });
  });
});

describe("extendShortened()", () => {
  test("puts behind it what was pushed meanwhile", async () => {
    const built = await buildMemory(me, 2);
    await me.send({ to: ["code2"], body: "meanwhile" });
    const tip = planOf(me, 2).tip;
    const whole = await extendShortened(compactPorts(me), built, tip);
    expect(whole).toMatchObject({ fromTip: tip, removed: 2 });
    expect(await filesOf(whole?.tip ?? "", "entries.jsonl")).toBe(await filesOf(tip, "entries.jsonl"));
    expect(await extendShortened(compactPorts(me), built, built.fromTip)).toBe(built);
  });

  test("is null when the log is another one by now", async () => {
    const built = await buildMemory(me, 2);
    await compactMemory(me, 1);
    expect(await extendShortened(compactPorts(me), built, planOf(me, 1).tip)).toBeNull();
  });
});

describe("withParent()", () => {
  const id = "1".repeat(40);
  const end = "author a\ncommitter b\n\nparent of all: words\n";
  for (const [what, parents] of [
    ["without one", ""],
    ["with one", `parent ${"2".repeat(40)}\n`],
    ["with two", `parent ${"2".repeat(40)}\nparent ${"3".repeat(40)}\n`],
  ]) {
    test(`gives a commit ${what} this parent alone`, () => {
      const commit = toUtf8(`tree ${"4".repeat(40)}\n${parents}${end}`);
      expect(fromUtf8(withParent(commit, id))).toBe(`tree ${"4".repeat(40)}\nparent ${id}\n${end}`);
    });
  }
});
