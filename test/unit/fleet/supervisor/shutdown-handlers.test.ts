import { beforeEach, describe, expect, test } from "bun:test";
import { type HandlerOutcome, ShutdownHandlers } from "../../../../src/fleet/supervisor/shutdown-handlers.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";

const TIMEOUT_MS = 100;

let clock: FakeClock;
let told: HandlerOutcome[];
let handlers: ShutdownHandlers;
let ran: string[];
beforeEach(() => {
  clock = new FakeClock();
  told = [];
  ran = [];
  handlers = new ShutdownHandlers({
    clock,
    timeoutMs: TIMEOUT_MS,
    onTrouble: (outcome) => told.push(outcome),
  });
});
const note = (name: string) => (): void => void ran.push(name);

describe("ShutdownHandlers", () => {
  test("run in the order in which they were added, with the reason", async () => {
    handlers.add((reason) => ran.push(reason));
    handlers.add(async (reason) => {
      await Promise.resolve();
      ran.push(`late ${reason}`);
    });
    handlers.add(note("last"));
    const outcomes = await handlers.execute("SIGTERM");
    expect(ran).toEqual(["SIGTERM", "late SIGTERM", "last"]);
    expect(outcomes.map(({ result }) => result)).toEqual(["done", "done", "done"]);
  });

  test("await what a plain function answers", async () => {
    const waiting = Promise.withResolvers<void>();
    handlers.add(() => waiting.promise.then(note("first")));
    handlers.add(note("second"));
    const all = handlers.execute("x");
    await Promise.resolve();
    expect(ran).toEqual([]);
    waiting.resolve();
    await all;
    expect(ran).toEqual(["first", "second"]);
  });

  test("go on after one that throws and one that rejects, and tell of both", async () => {
    handlers.add(
      () => {
        throw new Error("at once");
      },
      { name: "a" },
    );
    handlers.add(() => Promise.reject(new Error("later")), { name: "b" });
    handlers.add(note("c"));
    await handlers.execute("x");
    expect(ran).toEqual(["c"]);
    expect(told.map(({ name, result, error }) => [name, result, String(error)])).toEqual([
      ["a", "failed", "Error: at once"],
      ["b", "failed", "Error: later"],
    ]);
  });

  test("that hang are left after their time, each after its own", async () => {
    const never = (): Promise<void> => new Promise(() => undefined);
    handlers.add(never, { name: "slow", timeoutMs: 1_000 });
    handlers.add(never, { name: "hangs" });
    handlers.add(note("last"));
    const all = handlers.execute("x");
    await clock.advance(999);
    expect(told).toEqual([]);
    await clock.advance(1);
    await clock.advance(TIMEOUT_MS);
    await all;
    expect(told).toMatchObject([
      { name: "slow", result: "timeout", durationMs: 1_000 },
      { name: "hangs", result: "timeout", durationMs: TIMEOUT_MS },
    ]);
    expect(ran).toEqual(["last"]);
    expect(clock.sleeping).toBe(0);
  });

  test("run once, however often they are told to", async () => {
    handlers.add(note("once"));
    const [first, second] = await Promise.all([handlers.execute("a"), handlers.execute("b")]);
    await handlers.execute("c");
    expect(ran).toEqual(["once"]);
    expect(second).toBe(first);
    expect(handlers).toMatchObject({ size: 0, hasBegun: true });
  });

  test("added by one that runs are run, those taken away are not", async () => {
    handlers.add(() => void handlers.add(note("inner")));
    const remove = handlers.add(note("removed"));
    expect(handlers).toMatchObject({ size: 2, hasBegun: false });
    remove();
    remove();
    await handlers.execute("x");
    expect(ran).toEqual(["inner"]);
  });

  test("have the name of their function, or a number", async () => {
    handlers.add(function closeAll() {
      throw new Error("x");
    });
    handlers.add(() => Promise.reject(new Error("y")));
    await handlers.execute("x");
    expect(told.map(({ name }) => name)).toEqual(["closeAll", "handler 2"]);
  });
});
