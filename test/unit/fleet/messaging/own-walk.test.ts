import { beforeEach, expect, test } from "bun:test";
import type { OwnBatch } from "../../../../src/fleet/messaging/own-walk.ts";
import { walkFromStart, walkOwnLog } from "../../../../src/fleet/messaging/own-walk.ts";
import { confirmedBatch } from "../../../../src/fleet/messaging/take-back.ts";
import { compactMemory } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  for (let count = 0; count < 4; count += 1) {
    await me.send({ to: ["code2"], body: "long ".repeat(100), subject: "words", labels: { a: "b" } });
  }
});

const commitsOf = async (server: MemoryServer): Promise<string[]> =>
  (await server.store.listCommits(confirmedBatch(server.state)?.tip ?? "", null, 1e9)).map(({ id }) => id);

const entriesIn = (batches: readonly OwnBatch[]) =>
  batches.flatMap(({ lines }) =>
    lines.map(({ parsed }) => (parsed.status === "entry" ? parsed.entry : null)),
  );

test("walkFromStart() keeps all of the own log, without what its people wrote", async () => {
  const commits = await commitsOf(me);
  const { first, last, isMet, kept, pin } = await walkFromStart(me.receivePorts, commits, "all");
  expect(kept.map(({ commit }) => commit)).toEqual(commits);
  expect([first?.commit, last?.commit, isMet, pin]).toEqual([commits[0], commits.at(-1), false, null]);
  expect(entriesIn(kept)).toHaveLength(5);
  expect(entriesIn(kept)[0]).toMatchObject({ type: "key" });
  expect(entriesIn(kept)[1]).toMatchObject({ type: "message", to: ["code2"], body: "", subject: "" });
  expect(entriesIn(kept)[1]).not.toHaveProperty("labels");
  expect(JSON.stringify(kept.map(({ lines }) => lines))).not.toContain("long");
});

test("walkFromStart() keeps nothing of what is known, and knows whether the log came there", async () => {
  const commits = await commitsOf(me);
  const { kept } = await walkFromStart(me.receivePorts, commits, "all");
  const after = kept[2]?.chain.hash ?? "";
  const further = await walkFromStart(me.receivePorts, commits, { after });
  expect([further.isMet, further.kept.map(({ commit }) => commit)]).toEqual([true, commits.slice(3)]);
  const end = await walkFromStart(me.receivePorts, commits, { after: kept.at(-1)?.chain.hash ?? "" });
  expect([end.isMet, end.kept, end.last?.commit]).toEqual([true, [], commits.at(-1)]);
  const nowhere = await walkFromStart(me.receivePorts, commits, { after: "sha256:0" });
  expect([nowhere.isMet, nowhere.kept, nowhere.last?.commit]).toEqual([false, [], commits.at(-1)]);
});

test("walkFromStart() reads a shortened log, and one that began with a former key", async () => {
  await compactMemory(me, 2);
  const shortened = await walkFromStart(me.receivePorts, await commitsOf(me), "none");
  expect(entriesIn(shortened.first === null ? [] : [shortened.first])).toMatchObject([{ type: "compacted" }]);
  await me.rotate();
  await me.flush();
  await me.send({ to: ["code2"] });
  const { kept, pin } = await walkFromStart(me.receivePorts, await commitsOf(me), "all");
  expect([kept.at(-1)?.chain.publicKey, pin]).toEqual([me.identity.publicKey, null]);
});

test("walkFromStart() keeps nothing of a log of another key, and names it", async () => {
  fleet.remote.put(me.logRef, [], null);
  fleet.remote.put(me.cardRef, [], null);
  const other = await fleet.join("code1");
  await other.flush();
  await me.machine.remote.fetch([`+${me.logRef}:refs/own/found-log`], PATIENTLY);
  const walked = await walkFromStart(me.receivePorts, await commitsOf(other), "all");
  const pin = other.identity.publicKey;
  expect(walked).toEqual({ first: null, last: null, isMet: false, kept: [], pin });
});

test("walkOwnLog() goes on from a known place", async () => {
  const commits = await commitsOf(me);
  const { kept } = await walkFromStart(me.receivePorts, commits, "all");
  const known = kept[1]?.chain ?? null;
  const behind = await walkOwnLog(me.receivePorts, commits.slice(2), { known, keep: "all" });
  expect(behind.kept.map(({ commit }) => commit)).toEqual(commits.slice(2));
  expect((await walkOwnLog(me.receivePorts, commits, { known, keep: "none" })).kept).toEqual([]);
});
