/** Somebody takes objects out of the remote or out of a private store, as `git gc --prune=now` beside a writer does. */
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { describe as inWords, judge } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import type { Monitor } from "./fleet-sandbox.ts";
import { OwnRefsScene, until } from "./own-refs-scene.ts";

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

/** What a run of tidying without grace is made of. `daemons`: whether monitors run, or commands alone send. */
export interface GracelessTidying {
  readonly sends: number;
  readonly daemons: boolean;
  readonly timeoutMs: number;
}

/** Sends so often from a to b: how often each exit code came, and what was said with one that is neither 0 nor 75. */
async function sendTimes(
  { sandbox }: OwnRefsScene,
  sends: number,
): Promise<{ told: string; wrong: string[] }> {
  const codes = new Map<number | null, number>();
  const wrong: string[] = [];
  for (let count = 0; count < sends; count += 1) {
    const { exitCode, stderr } = await sandbox.send("a", { to: "b" });
    codes.set(exitCode, (codes.get(exitCode) ?? 0) + 1);
    if (exitCode !== 0 && exitCode !== 75) wrong.push(`${exitCode}: ${stderr}`);
  }
  return { told: [...codes].map(([code, times]) => `${code}: ${times}`).join(", "), wrong };
}

/** One test: a remote (beside daemons, whose owner mends it) and a private store are tidied with no grace beside sends. */
export function defineTidyingWithoutGrace({ sends, daemons, timeoutMs }: GracelessTidying): void {
  const where = daemons ? "on the remote and in a store" : "in the store of a server without a daemon";
  const body = async (): Promise<void> => {
    // The remote may say so often that it cannot that nobody asks it for a while.
    const scene = new OwnRefsScene("breaker: { open_for: 3s }\n");
    const { sandbox } = scene;
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const start = daemons ? ["a", "b"] : [];
      const monitors = await Promise.all(start.map((server) => sandbox.monitor(server)));
      const folders = [...(daemons ? [sandbox.remote] : []), sandbox.filesOf("a").store];
      const end = tidyWithoutGrace(scene, folders);
      const { told, wrong } = await sendTimes(scene, sends);
      const runs = await end();
      console.log(`\ntidied without grace ${where}: ${runs} times beside ${sends} sends, exit codes ${told}`);
      expect(wrong).toEqual([]);
      // What waits goes with the next message.
      if (!daemons) await sandbox.send("a", { to: "b" });
      const count = daemons ? sends : sends + 1;
      await until("all is delivered", async () => (await scene.inbox("b")).length === count);
      await until("the remote is whole", () => isWhole(scene, sandbox.remote));
      await expectNothingLost(scene, monitors);
    } finally {
      await sandbox.close();
    }
  };
  test(
    `git prune --expire=now and gc --prune=now without a pause, ${where}: nothing is lost`,
    body,
    timeoutMs,
  );
}
