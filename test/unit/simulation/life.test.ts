import { expect, test } from "bun:test";
import { Life, LifeIsOver } from "../../simulation/life.ts";
import { Timeline } from "../../simulation/timeline.ts";

test("a life ends at the call that it was given, and makes no more", () => {
  const timeline = new Timeline();
  let ends = 0;
  const life = new Life(timeline, () => (ends += 1));
  life.endAfter(3, 1_000);
  life.call();
  life.call();
  expect(() => life.call()).toThrow(LifeIsOver);
  expect(() => life.call()).toThrow(LifeIsOver);
  expect(ends).toBe(1);
});

test("who sleeps in a life that ends never wakes", () => {
  const timeline = new Timeline();
  const life = new Life(timeline, () => undefined);
  const seen: string[] = [];
  life.sleep(10, null).then(
    () => seen.push("woke"),
    () => seen.push("failed"),
  );
  life.end();
  timeline.runUntil(100);
  expect(seen).toEqual([]);
});

test("what reaches a paused life waits until it goes on", () => {
  const timeline = new Timeline();
  const life = new Life(timeline, () => undefined);
  const seen: number[] = [];
  life.pause(50);
  life.sleep(10, null).then(
    () => seen.push(timeline.nowMs),
    () => undefined,
  );
  timeline.runUntil(100);
  expect(seen).toEqual([50]);
});
