import { expect, test } from "bun:test";
import { Timeline } from "../../simulation/timeline.ts";

test("runUntil() lets things happen by their instant, and by their making where that is the same", () => {
  const timeline = new Timeline();
  const seen: string[] = [];
  for (const [name, atMs] of [
    ["c", 30],
    ["a", 10],
    ["b", 10],
    ["late", 99],
    ["d", 40],
  ] as const) {
    timeline.at(atMs, () => seen.push(`${name} ${timeline.nowMs}`));
  }
  timeline.runUntil(50);
  expect(seen).toEqual(["a 10", "b 10", "c 30", "d 40"]);
  expect(timeline.nowMs).toBe(50);
});

test("runUntil() lets promises go on as far as they can before the next thing happens", () => {
  const timeline = new Timeline();
  const seen: number[] = [];
  const goOn = async (): Promise<void> => {
    for (let step = 0; step < 100; step += 1) await Promise.resolve();
    seen.push(timeline.nowMs);
  };
  timeline.at(1, () => void goOn().catch(() => undefined));
  timeline.at(2, () => seen.push(timeline.nowMs));
  timeline.runUntil(10);
  expect(seen).toEqual([1, 2]);
});

test("what at() returned takes its event off the timeline", () => {
  const timeline = new Timeline();
  const seen: number[] = [];
  const cancel = timeline.at(5, () => seen.push(5));
  cancel();
  timeline.runUntil(10);
  expect(seen).toEqual([]);
});
