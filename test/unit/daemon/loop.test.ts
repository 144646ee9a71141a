import { describe, expect, test } from "bun:test";
import { Bell, runLoop } from "../../../src/daemon/loop.ts";
import { FakeClock, settle } from "../../helpers/fake-clock.ts";

const forever = (): AbortSignal => new AbortController().signal;

describe("Bell.wait()", () => {
  test("ends after its time, and says that nobody rang", async () => {
    const [bell, clock] = [new Bell(), new FakeClock()];
    const waited = bell.wait(1000, clock, forever());
    await clock.advance(999);
    expect(clock.sleeping).toBe(1);
    await clock.advance(1);
    expect(await waited).toBe(false);
  });

  test("ends at once when somebody rings", async () => {
    const [bell, clock] = [new Bell(), new FakeClock()];
    const waited = bell.wait(1000, clock, forever());
    bell.ring();
    expect(await waited).toBe(true);
    expect(clock.sleeping).toBe(0);
  });

  test("remembers rings that nobody waited for as one", async () => {
    const [bell, clock] = [new Bell(), new FakeClock()];
    for (const _ of [1, 2, 3]) bell.ring();
    expect(await bell.wait(1000, clock, forever())).toBe(true);
    const again = bell.wait(1000, clock, forever());
    await clock.advance(1000);
    expect(await again).toBe(false);
  });

  test("ends when the signal aborts, and never rejects", async () => {
    const [bell, clock, stop] = [new Bell(), new FakeClock(), new AbortController()];
    const waited = bell.wait(1000, clock, stop.signal);
    stop.abort();
    expect(await waited).toBe(false);
    expect(await bell.wait(1000, clock, stop.signal)).toBe(false);
  });

  test("takes a time that is over already for none", async () => {
    const [bell, clock] = [new Bell(), new FakeClock()];
    const waited = bell.wait(-5, clock, forever());
    await clock.advance(0);
    expect(await waited).toBe(false);
  });
});

/** A loop under test whose rounds are counted and pause as `pauses` says. */
function start(round: (count: number) => Promise<number>) {
  const [bell, clock, stop] = [new Bell(), new FakeClock(), new AbortController()];
  const errors: unknown[] = [];
  let rounds = 0;
  const ended = runLoop({
    round: () => {
      rounds += 1;
      return round(rounds);
    },
    bell,
    clock,
    signal: stop.signal,
    onError: (thrown) => errors.push(thrown),
  });
  return { bell, clock, stop, errors, ended, rounds: () => rounds };
}

describe("runLoop()", () => {
  test("runs at the pace that each round asks for, until it is stopped", async () => {
    const loop = start((count) => Promise.resolve(count * 100));
    await settle();
    await loop.clock.advance(99);
    expect(loop.rounds()).toBe(1);
    await loop.clock.advance(1);
    expect(loop.rounds()).toBe(2);
    await loop.clock.advance(199);
    expect(loop.rounds()).toBe(2);
    await loop.clock.advance(1);
    expect(loop.rounds()).toBe(3);
    loop.stop.abort();
    await loop.ended;
    expect(loop.rounds()).toBe(3);
  });

  test("goes on at once when the bell rings, also when it rang during the round", async () => {
    const loop = start((count) => {
      if (count === 2) loop.bell.ring();
      return Promise.resolve(60_000);
    });
    await settle();
    loop.bell.ring();
    await settle();
    await settle();
    expect(loop.rounds()).toBe(3);
    loop.stop.abort();
    await loop.ended;
  });

  test("is never in two rounds at once, however often the bell rings", async () => {
    const gate = Promise.withResolvers<number>();
    const loop = start(() => gate.promise);
    for (const _ of [1, 2, 3]) {
      loop.bell.ring();
      await settle();
    }
    expect(loop.rounds()).toBe(1);
    loop.stop.abort();
    gate.resolve(1);
    await loop.ended;
  });

  test("reports what a round throws, pauses and goes on", async () => {
    const reason = new Error("odd");
    const loop = start((count) => (count === 1 ? Promise.reject(reason) : Promise.resolve(60_000)));
    await settle();
    expect(loop.errors).toEqual([reason]);
    expect(loop.rounds()).toBe(1);
    await loop.clock.advance(5_000);
    expect(loop.rounds()).toBe(2);
    loop.stop.abort();
    await loop.ended;
  });

  test("does not report what a round throws because it was stopped", async () => {
    const gate = Promise.withResolvers<number>();
    const loop = start(() => gate.promise);
    loop.stop.abort();
    gate.reject(new Error("aborted"));
    await loop.ended;
    expect(loop.errors).toEqual([]);
  });

  test("runs no round when it was stopped before its start", async () => {
    let rounds = 0;
    const round = (): Promise<number> => {
      rounds += 1;
      return Promise.resolve(1);
    };
    const signal = AbortSignal.abort();
    await runLoop({ round, bell: new Bell(), clock: new FakeClock(), signal, onError: () => undefined });
    expect(rounds).toBe(0);
  });
});
