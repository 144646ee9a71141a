/** Somebody takes objects out of the remote or out of a private store, as `git gc --prune=now` beside a writer does. */
import { expect } from "bun:test";
import { rmSync } from "node:fs";
import { describe as inWords, judge } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import type { Monitor } from "./fleet-sandbox.ts";
import type { OwnRefsScene } from "./own-refs-scene.ts";

/** The last commit of a ref, its tree, and its entries. */
export type Part = "commit" | "tree" | "blob";

const SUFFIX: Readonly<Record<Part, string>> = {
  commit: "^{commit}",
  tree: "^{tree}",
  blob: ":entries.jsonl",
};

/** Takes one object of what `ref` names out of a repository; it has to be loose. */
export function loseObject(scene: OwnRefsScene, folder: string, ref: string, part: Part): void {
  const id = scene.sandbox.temp.git(folder, "rev-parse", `${ref}${SUFFIX[part]}`);
  rmSync(`${folder}/objects/${id.slice(0, 2)}/${id.slice(2)}`);
}

/** Whether git finds every object that the refs of a repository reach. */
export function isWhole(scene: OwnRefsScene, folder: string): boolean {
  const words = ["git", "-C", folder, "fsck", "--full", "--no-dangling", "--connectivity-only"];
  return Bun.spawnSync(words, { env: scene.sandbox.temp.environment }).exitCode === 0;
}

/** Runs git in `folders` without a pause until it is told to end. */
export function tidyWithoutGrace(scene: OwnRefsScene, folders: readonly string[]): () => Promise<number> {
  let isOver = false;
  let runs = 0;
  const run = async (folder: string, words: readonly string[]): Promise<void> => {
    const child = Bun.spawn(["git", "-C", folder, ...words], {
      env: scene.sandbox.temp.environment,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await child.exited;
    runs += 1;
  };
  const loop = (async (): Promise<void> => {
    while (!isOver) {
      for (const folder of folders) {
        await run(folder, ["prune", "--expire=now"]);
        if (runs % 5 === 0) await run(folder, ["gc", "-q", "--prune=now"]);
      }
    }
  })();
  return async () => {
    isOver = true;
    await loop;
    return runs;
  };
}

/** Ends the monitors and asks the judge. */
export async function expectNothingLost(scene: OwnRefsScene, monitors: readonly Monitor[]): Promise<void> {
  await Promise.all(monitors.map((monitor) => monitor.stop()));
  const violations = judge(scene.sandbox.sends, await gather(scene.sandbox));
  expect(inWords(violations.filter(({ rule }) => rule !== "quarantined"))).toBe("");
}
