import { beforeEach, expect, test } from "bun:test";
import { Timer } from "../../../src/base/timer.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";

let clock: FakeClock;
let timer: Timer;
let heard: string[];

beforeEach(() => {
  clock = new FakeClock();
  timer = new Timer(clock);
  heard = [];
});

const set = (afterMs: number, word: string): void => timer.set(afterMs, () => void heard.push(word));

test("is due once, after its time", async () => {
  set(100, "due");
  await clock.advance(99);
  expect(heard).toEqual([]);
  await clock.advance(1);
  expect(heard).toEqual(["due"]);
  await clock.advance(1000);
  expect(heard).toEqual(["due"]);
});

test("a later one takes the place of the earlier, sooner or later", async () => {
  set(100, "first");
  set(300, "second");
  await clock.advance(200);
  expect(heard).toEqual([]);
  set(50, "third");
  await clock.advance(1000);
  expect(heard).toEqual(["third"]);
});

test("one that is stopped is not due, and can be set again", async () => {
  timer.stop();
  set(100, "stopped");
  timer.stop();
  await clock.advance(1000);
  expect(heard).toEqual([]);
  set(100, "again");
  await clock.advance(100);
  expect(heard).toEqual(["again"]);
});

test("may be set anew by what it calls", async () => {
  timer.set(100, () => {
    heard.push("first");
    set(100, "second");
  });
  await clock.advance(100);
  await clock.advance(100);
  expect(heard).toEqual(["first", "second"]);
});
