import { expect, test } from "bun:test";
import { PendingStart } from "../../../../src/fleet/supervisor/pending-start.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";

const THROWN = new Error("no such program");

test("PendingStart ends a start that takes too long, and says so", async () => {
  const clock = new FakeClock();
  const start = new PendingStart(clock, 60_000);
  await clock.advance(59_999);
  expect([start.signal.aborted, start.describe(THROWN)]).toEqual([false, "no such program"]);
  await clock.advance(1);
  expect([start.signal.aborted, start.describe(THROWN)]).toEqual([true, "not started within 1 min"]);
});

test("PendingStart that is given up has nothing to say", () => {
  const start = new PendingStart(new FakeClock(), 60_000);
  start.giveUp();
  expect([start.signal.aborted, start.describe(THROWN)]).toEqual([true, null]);
});

test("PendingStart that is over waits for nothing", async () => {
  const clock = new FakeClock();
  const start = new PendingStart(clock, 60_000);
  start.end();
  await clock.advance(60_000);
  expect([start.signal.aborted, clock.sleeping]).toEqual([false, 0]);
});

test("PendingStart keeps what was said until it is over, within a bound, and gives it away once", () => {
  const start = new PendingStart(new FakeClock(), 60_000);
  for (let count = 0; count < 2_000; count += 1) start.line(`${count}`);
  start.end();
  start.line("after");
  const lines = start.takeLines();
  expect([lines.length, lines[0], lines.at(-1)]).toEqual([1_000, "0", "999"]);
  expect(start.takeLines()).toEqual([]);
});
