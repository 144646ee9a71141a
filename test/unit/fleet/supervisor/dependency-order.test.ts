import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  checkDependencies,
  isFulfilled,
  isHopeless,
  mayStop,
  type Ordered,
  type Progress,
  restartsWith,
  startOrder,
  stopOrder,
  waitsOf,
  withDependencies,
  withDependents,
} from "../../../../src/fleet/supervisor/dependency-order.ts";
import type { DependencyCondition } from "../../../../src/fleet/supervisor/model.ts";

/** `web: "db cache:started"`. */
const services = (graph: Record<string, string>): Ordered[] =>
  Object.entries(graph).map(([name, needs]) => ({
    name,
    dependsOn: needs
      .split(" ")
      .filter((need) => need !== "")
      .map((need) => {
        const [other = "", condition = "ready"] = need.split(":");
        return { name: other, condition: condition as DependencyCondition };
      }),
  }));

const shop = services({ web: "db cache:started", db: "disk:completed", cache: "", disk: "", other: "" });

test.each<[DependencyCondition, Progress[]]>([
  ["started", ["started", "ready", "completed"]],
  ["ready", ["ready", "completed"]],
  ["completed", ["completed"]],
])("isFulfilled(%j) by %j alone", (condition, enough) => {
  const all: Progress[] = ["idle", "started", "ready", "completed", "failed"];
  expect(all.filter((progress) => isFulfilled(condition, progress))).toEqual(enough);
});

describe("waitsOf()", () => {
  test("waitsOf() names what is not there yet, and how far it is", () => {
    const progress: Record<string, Progress> = { db: "started", cache: "started" };
    const [web] = shop;
    if (web === undefined) throw new Error("no web");
    expect(waitsOf(web, (name) => progress[name] ?? "idle")).toEqual([
      { name: "db", condition: "ready", progress: "started" },
    ]);
    expect(waitsOf(web, () => "ready")).toEqual([]);
  });

  test("isHopeless() is a wait for what has failed", () => {
    const wait = { name: "db", condition: "ready" } as const;
    expect(isHopeless([{ ...wait, progress: "started" }])).toBe(false);
    expect(
      isHopeless([
        { ...wait, progress: "started" },
        { ...wait, progress: "failed" },
      ]),
    ).toBe(true);
  });
});

describe("checkDependencies()", () => {
  test("checkDependencies() finds nothing wrong in an order", () => {
    expect(checkDependencies(shop).ok).toBe(true);
  });

  test("checkDependencies() names the circle", () => {
    const checked = checkDependencies(services({ x: "a", a: "b", b: "a" }));
    expect(checked.ok ? "" : checked.error).toContain("a -> b -> a");
  });

  test("checkDependencies() names who is missing", () => {
    const checked = checkDependencies(services({ a: "nobody" }));
    expect(checked.ok ? "" : checked.error).toContain('"nobody"');
  });
});

test("withDependencies() and withDependents() go all the way, in their own direction", () => {
  expect([...withDependencies(["web"], shop)].toSorted()).toEqual(["cache", "db", "disk", "web"]);
  expect([...withDependents(["disk"], shop)].toSorted()).toEqual(["db", "disk", "web"]);
});

test("startOrder() is what may start at once, step by step, and stopOrder() its reverse", () => {
  expect(startOrder(shop)).toEqual([["cache", "disk", "other"], ["db"], ["web"]]);
  expect(stopOrder(shop)).toEqual([["web"], ["db"], ["cache", "disk", "other"]]);
});

test("startOrder() leaves out what is not among the services", () => {
  expect(startOrder(services({ a: "gone" }))).toEqual([["a"]]);
});

test("startOrder() never comes before what is needed, whatever the graph", () => {
  const edges = fc.array(fc.tuple(fc.nat(19), fc.nat(19)), { maxLength: 60 });
  fc.assert(
    fc.property(edges, (pairs) => {
      // An edge goes to a smaller number only, so there is no circle.
      const needs = (one: number): number[] =>
        pairs.filter(([from, to]) => from === one && to < one).map(([, to]) => to);
      const list = services(
        Object.fromEntries(
          Array.from({ length: 20 }, (_, one) => [
            `s${one}`,
            needs(one)
              .map((to) => `s${to}`)
              .join(" "),
          ]),
        ),
      );
      const place = new Map(
        startOrder(list).flatMap((step, index) => step.map((name) => [name, index] as const)),
      );
      for (const { name, dependsOn } of list) {
        for (const need of dependsOn) expect(place.get(need.name) ?? 0).toBeLessThan(place.get(name) ?? 0);
      }
      expect(place.size).toBe(20);
    }),
  );
});

test("startOrder() takes a circle for a bug", () => {
  expect(() => startOrder(services({ a: "b", b: "a" }))).toThrow("Broken invariant");
});

test("mayStop() lets what is needed wait for who needs it, as far as they are stopped too", () => {
  const all = new Set(["web", "db", "cache", "disk"]);
  const running = new Set(["web", "db", "cache"]);
  expect(mayStop(all, shop, (name) => running.has(name))).toEqual(["web"]);
  expect(mayStop(all, shop, (name) => name !== "web")).toEqual(["db", "cache"]);
  expect(mayStop(new Set(["db"]), shop, () => true)).toEqual(["db"]);
});

test("restartsWith() takes along who talked to it, not who only waited for its end", () => {
  expect(restartsWith("db", shop)).toEqual(["db", "web"]);
  expect(restartsWith("disk", shop)).toEqual(["disk"]);
  expect(restartsWith("web", shop)).toEqual(["web"]);
});
