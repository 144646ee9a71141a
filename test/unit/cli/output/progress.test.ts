import { describe, expect, test } from "bun:test";
import { createProgress } from "../../../../src/cli/output/progress.ts";

function open(isTerminal: boolean) {
  const written: string[] = [];
  const clock = { nowMs: 0 };
  const progress = createProgress({
    isTerminal,
    width: 10,
    monotonicMs: () => clock.nowMs,
    write: (text) => written.push(text),
  });
  return { progress, written, clock };
}

describe("createProgress() on a terminal", () => {
  test("createProgress() draws in place, cut before the last column", () => {
    const { progress, written } = open(true);
    progress.update("pulling");
    progress.update("pushing 120 messages");
    expect(written).toEqual(["\r\u001B[Kpulling", "\r\u001B[Kpushing …"]);
  });

  test("createProgress() draws the same text once, and clears only what it drew", () => {
    const { progress, written } = open(true);
    progress.clear();
    progress.update("a");
    progress.update("a");
    progress.clear();
    progress.clear();
    expect(written).toEqual(["\r\u001B[Ka", "\r\u001B[K"]);
  });

  test("createProgress() makes its text visible", () => {
    const { progress, written } = open(true);
    progress.update("a\u001Bb\n");
    expect(written).toEqual(["\r\u001B[Ka␛b␊"]);
  });
});

describe("createProgress() in a log", () => {
  test("createProgress() writes one line per change, at most each 2 s", () => {
    const { progress, written, clock } = open(false);
    progress.update("one");
    clock.nowMs = 1_999;
    progress.update("two");
    clock.nowMs = 2_000;
    progress.update("three");
    clock.nowMs = 9_000;
    progress.update("three");
    progress.clear();
    expect(written).toEqual(["one\n", "three\n"]);
  });
});
