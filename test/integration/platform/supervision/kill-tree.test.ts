import { expect, test } from "bun:test";
import { killTree } from "../../../../src/platform/supervision/kill-tree.ts";

test("killTree() lets others have their turn where everybody forks and no look is ever complete", async () => {
  let looks = 0;
  const seen: number[] = [];
  const others = setInterval(() => seen.push(looks), 0);
  const left = await killTree(60_000, {
    killGroup: () => undefined,
    look: () => {
      looks += 1;
      const settle = (): "unknown" => {
        // As long as it takes to look at some hundred processes.
        Bun.sleepSync(5);
        return "unknown";
      };
      return { members: [], settle };
    },
    kill: () => undefined,
  });
  clearInterval(others);
  expect(left).toEqual([]);
  expect(looks).toBeGreaterThan(1);
  // In between, not only when all was over.
  expect(seen.filter((count) => count < looks)).not.toEqual([]);
});
