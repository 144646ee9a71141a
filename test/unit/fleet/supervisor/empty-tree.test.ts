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
  host.plant(TREE);
});

const empty = (plan: Partial<EmptyPlan> = {}, hurry = new AbortController().signal): Promise<void> =>
  emptyTree({ host, clock, onTrouble: (detail) => troubles.push(detail) }, TREE, { ...PLAN, ...plan }, hurry);

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

  test("ends a stop command that takes too long, and kills then", async () => {
    host.obeysTerm = false;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const emptied = empty({
      before: (signal) => {
        signal.addEventListener("abort", () => resolve());
        return ended;
      },
    });
    await clock.advance(10_001);
    await emptied;
    expect([host.signals, host.killed]).toEqual([[], [7]]);
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

  test("tells once of what cannot be ended, and waits for it", async () => {
    host.obeysTerm = false;
    let looks = 0;
    host.kill = () => {
      looks += 1;
      return Promise.resolve(looks < 4 ? [TREE.identity] : []);
    };
    const hurry = new AbortController();
    hurry.abort();
    await empty({}, hurry.signal);
    expect(troubles).toEqual(["cannot be ended: pid 7 is not gone 5 s after SIGKILL"]);
    expect(looks).toBe(4);
  });
});
