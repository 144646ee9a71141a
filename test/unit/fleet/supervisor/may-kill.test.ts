import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ancestorsOf, judgeKill } from "../../../../src/fleet/supervisor/may-kill.ts";

const PARENTS = [
  { pid: 1, parent: 0 },
  { pid: 10, parent: 1 },
  { pid: 20, parent: 10 },
  { pid: 30, parent: 20 },
  { pid: 40, parent: 10 },
];
const SELF = 30;

const judge = (pid: number, more: { force?: boolean; ours?: { pid: number; start: string }[] } = {}) => {
  const { force = false, ours = [] } = more;
  return judgeKill({ target: { pid, start: "s" }, selfPid: SELF, parents: PARENTS, ours, force });
};

describe("judgeKill()", () => {
  test("lets go what fleetd started", () => {
    expect(judge(40, { ours: [{ pid: 40, start: "s" }] })).toEqual({ ok: true, value: null });
  });

  test("refuses what fleetd did not start, and allows it with force", () => {
    expect(judge(40)).toEqual({ ok: false, error: "not-ours" });
    expect(judge(40, { force: true })).toEqual({ ok: true, value: null });
  });

  test("takes a process that got an old id for a stranger", () => {
    expect(judge(40, { ours: [{ pid: 40, start: "earlier" }] })).toEqual({ ok: false, error: "not-ours" });
  });

  // The original ended itself when it was the owner of the port it was to free.
  test.each([
    [SELF, "self"],
    [20, "ancestor"],
    [10, "ancestor"],
    [1, "init"],
    [0, "init"],
    [-1, "init"],
    [-40, "init"],
  ] as const)("never ends %i (%s), also with force and when fleetd started it", (pid, error) => {
    expect(judge(pid)).toEqual({ ok: false, error });
    expect(judge(pid, { force: true, ours: [{ pid, start: "s" }] })).toEqual({ ok: false, error });
  });

  test("never allows self, an ancestor or pid 1, whatever the tree", () => {
    const row = fc.record({ pid: fc.integer({ min: 1, max: 12 }), parent: fc.integer({ min: 0, max: 12 }) });
    fc.assert(
      fc.property(fc.array(row), fc.integer({ min: 1, max: 12 }), (parents, selfPid) => {
        for (const pid of [1, selfPid, ...ancestorsOf(selfPid, parents)]) {
          const target = { pid, start: "s" };
          expect(judgeKill({ target, selfPid, parents, ours: [target], force: true }).ok).toBe(false);
        }
      }),
    );
  });
});

describe("ancestorsOf()", () => {
  test("goes up to the first process", () => {
    expect([...ancestorsOf(30, PARENTS)]).toEqual([20, 10, 1]);
  });

  test("ends where a table that is not of one moment has a circle", () => {
    const parents = [
      { pid: 2, parent: 3 },
      { pid: 3, parent: 2 },
    ];
    expect([...ancestorsOf(2, parents)]).toEqual([3, 2]);
  });
});
