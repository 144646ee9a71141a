import { expect, test } from "bun:test";
import type { ReadBatch } from "../../../../src/fleet/messaging/judge-log.ts";
import { nextCount, readInChunks } from "../../../../src/fleet/messaging/log-chunks.ts";
import { MemoryFleet } from "../../../helpers/memory-fleet.ts";

const batchesOf = (count: number, bytes: number): ReadBatch[] =>
  Array.from({ length: count }, () => ({
    commit: "",
    entries: new Uint8Array(bytes),
    signature: null,
    trouble: "",
  }));

test.each<[string, number, number, number]>([
  ["small batches", 16, 4000, 128],
  ["batches of a thousand lines", 16, 400_000, 10],
  ["the largest batches", 4, 4 * 1024 * 1024, 1],
  ["batches without content", 3, 0, 128],
])("nextCount() of %s", (_, count, bytes, expected) => {
  expect(nextCount(batchesOf(count, bytes))).toBe(expected);
});

test("readInChunks() reads every batch once and in its order", async () => {
  const fleet = new MemoryFleet();
  const [writer, reader] = [await fleet.add("code1"), await fleet.add("code2")];
  for (let number = 0; number < 20; number += 1) await writer.send({ to: ["code2"] });
  await reader.receive();
  const ports = reader.receivePorts;
  const steps = await ports.store.listCommits(fleet.remote.refs.get(writer.logRef) ?? "", null, 1000);
  const commits = steps.map((step) => step.id);
  const chunks: string[][] = [];
  for await (const batches of readInChunks(ports, commits)) chunks.push(batches.map(({ commit }) => commit));
  expect(commits.length).toBe(21);
  expect(chunks.length).toBe(2);
  expect(chunks.flat()).toEqual(commits);
});
