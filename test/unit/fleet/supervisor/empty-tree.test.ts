import { beforeEach, describe, expect, test } from "bun:test";
import type { ProcessTree } from "../../../../src/base/ports/process-host.ts";
import { type EmptyPlan, emptyTree } from "../../../../src/fleet/supervisor/empty-tree.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";
import { MemoryHost } from "../../../helpers/memory-host.ts";

const TREE: ProcessTree = { identity: { pid: 7, start: "boot:7" }, run: "r", cgroup: null };
const PLAN: EmptyPlan = { signal: "SIGTERM", to: "group", timeoutMs: 10_000, before: null };

let host = new MemoryHost();
let clock = new FakeClock();
let troubles: string[] = [];
beforeEach(() => {
  host = new MemoryHost();
  clock = new FakeClock();
  troubles = [];
  letGo = new AbortController();
  host.plant(TREE);
});

let letGo = new AbortController();
const empty = (plan: Partial<EmptyPlan> = {}, hurry = new AbortController().signal): Promise<void> =>
  emptyTree(
    { host, clock, onTrouble: (detail) => troubles.push(detail), letGo: letGo.signal },
    TREE,
    { ...PLAN, ...plan },
    hurry,
  );

describe("emptyTree()", () => {
  test("signals, and kills nothing where that is enough", async () => {
    await empty();
    expect([host.signals, host.killed, host.forgotten]).toEqual([["SIGTERM 7"], [], ["r"]]);
  });

  test("kills what ignores the signal when its time is up, not before", async () => {
    host.obeysTerm = false;
    const emptied = empty();
    await clock.advance(9_900);
    expect(host.killed).toEqual([]);
    await clock.advance(300);
    await emptied;
    expect(host.killed).toEqual([7]);
  });

  test("runs the stop command first, and signals only what it left", async () => {
    await empty({
      before: () => {
        host.end("r", { kind: "code", code: 0 });
        return Promise.resolve();
      },
    });
    expect([host.signals, host.killed]).toEqual([[], []]);
  });

  test("ends a stop command that takes too long, then signals, and kills when that took as long again", async () => {
    host.obeysTerm = false;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const emptied = empty({
      before: (signal) => {
        signal.addEventListener("abort", () => resolve());
        return over;
      },
    });
    await clock.advance(9_999);
    expect(host.signals).toEqual([]);
    await clock.advance(1);
    expect(host.signals).toEqual(["SIGTERM 7"]);
    await clock.advance(9_999);
    expect(host.killed).toEqual([]);
    await clock.advance(1);
    await emptied;
    expect(host.killed).toEqual([7]);
  });

  test("a stop command that cannot be run is told, and the signal follows", async () => {
    await empty({ before: () => Promise.reject(new Error("no such program")) });
    expect([troubles, host.signals, host.killed]).toEqual([["no such program"], ["SIGTERM 7"], []]);
  });

  test("a signal that the system refuses is told, and what it should have ended is killed", async () => {
    host.signal = () => {
      throw new Error("it belongs to another user");
    };
    const emptied = empty();
    await clock.advance(10_000);
    await emptied;
    expect([troubles, host.killed, host.forgotten]).toEqual([["it belongs to another user"], [7], ["r"]]);
  });

  test("a stop without any time still signals", async () => {
    await empty({ timeoutMs: 0 });
    expect([host.signals, host.killed]).toEqual([["SIGTERM 7"], []]);
  });

  test("hurry ends the waiting, not the killing", async () => {
    host.obeysTerm = false;
    const hurry = new AbortController();
    const emptied = empty({}, hurry.signal);
    await clock.advance(100);
    hurry.abort();
    await emptied;
    expect(host.killed).toEqual([7]);
  });

  test("tells once of what cannot be ended, tries again with pauses, and is over when it is gone", async () => {
    host.obeysTerm = false;
    let looks = 0;
    host.kill = () => {
      looks += 1;
      if (looks === 1) return Promise.reject(new Error("not permitted"));
      return Promise.resolve(looks < 4 ? [TREE.identity] : []);
    };
    const emptied = empty({}, AbortSignal.abort());
    await clock.advance(0);
    expect([looks, host.forgotten]).toEqual([1, []]);
    await clock.advance(1_000 + 2_000 + 4_000);
    await emptied;
    expect(troubles).toEqual(["cannot be ended, and is tried again: not permitted"]);
    expect([looks, host.forgotten]).toEqual([4, ["r"]]);
  });

  test("lets go where it stands, without a kill", async () => {
    host.obeysTerm = false;
    const emptied = empty();
    await clock.advance(100);
    letGo.abort();
    await emptied;
    expect([host.killed, host.forgotten]).toEqual([[], []]);
  });
});
