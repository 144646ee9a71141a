import { expect, test } from "bun:test";
import { findCycle } from "../../../src/base/find-cycle.ts";

const graph = (edges: Record<string, string[]>): Map<string, string[]> => new Map(Object.entries(edges));

test.each([[{}], [{ a: [] }], [{ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }], [{ a: ["nobody"] }]])(
  "findCycle(%j) finds none",
  (edges) => {
    expect(findCycle(graph(edges as Record<string, string[]>))).toBeNull();
  },
);

test("findCycle() names the way round, without what leads to it", () => {
  expect(findCycle(graph({ a: ["b"], b: ["c"], c: ["d"], d: ["b"] }))).toEqual(["b", "c", "d", "b"]);
});

test("findCycle() finds who waits for itself", () => {
  expect(findCycle(graph({ x: [], a: ["a"] }))).toEqual(["a", "a"]);
});

test("findCycle() walks a chain of 20,000 without running out of stack", () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `n${index}`);
  const chain = new Map(names.map((name, index) => [name, names.slice(index + 1, index + 2)]));
  expect(findCycle(chain)).toBeNull();
});
