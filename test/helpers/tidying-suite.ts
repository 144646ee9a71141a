import { expect, test } from "bun:test";
import { seconds } from "./figures.ts";
import { describe, judge } from "./fleet-checker.ts";
import { gather, readLogs } from "./fleet-evidence.ts";
import { FleetSandbox } from "./fleet-sandbox.ts";
import { eventually } from "./temp-git.ts";

/**
 * What somebody may tidy a repository with, at the worst moment, and with the grace that git has by itself: `--prune=now`
 * beside a writer takes objects away between their arrival and the move of the ref, which git warns of.
 */
const TIDYING: readonly (readonly string[])[] = [
  ["gc", "-q"],
  ["repack", "-adq"],
  ["prune", "--expire=1.hour.ago"],
];

/** How often a repository was tidied. */
interface Tidied {
  runs: number;
  failed: number;
}

async function tidyOnce(sandbox: FleetSandbox, folder: string, tidied: Tidied): Promise<void> {
  for (const words of TIDYING) {
    const child = Bun.spawn(["git", "-C", folder, ...words], {
      env: sandbox.temp.environment,
      stdio: ["ignore", "ignore", "ignore"],
    });
    tidied.runs += 1;
    if ((await child.exited) !== 0) tidied.failed += 1;
  }
}

/** One test: a remote and two private stores that are tidied without a pause while messages go both ways. */
export function defineTidying(messages: number, timeoutMs: number): void {
  test(
    "gc, repack and prune without a pause, on the remote and in private stores, lose nothing",
    async () => {
      const startedMs = performance.now();
      const sandbox = new FleetSandbox(
        "auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }\n",
      );
      const tidied: Tidied = { runs: 0, failed: 0 };
      let isOver = false;
      try {
        for (const server of ["a", "b"]) await sandbox.init(server);
        const monitor = await sandbox.monitor("b");
        const folders = [sandbox.remote, sandbox.filesOf("a").store, sandbox.filesOf("b").store];
        const tidying = (async (): Promise<void> => {
          while (!isOver) for (const folder of folders) await tidyOnce(sandbox, folder, tidied);
        })();
        const codes = new Map<number | null, number>();
        for (let count = 0; count < messages; count += 1) {
          const { exitCode } = await sandbox.send("a", { to: "b", body: `question ${count}: how are you?` });
          codes.set(exitCode, (codes.get(exitCode) ?? 0) + 1);
        }
        isOver = true;
        await tidying;
        const last = await sandbox.send("a", { to: "b" });
        const answers = (): number => {
          try {
            return readLogs(sandbox).filter((entry) => entry.auto).length;
          } catch {
            // An object is missing on the remote; it has to come back by itself.
            return -1;
          }
        };
        const isAnswered = await eventually(() => answers() === messages, 60_000);
        await monitor.stop();
        console.log(
          `\ntidying: ${tidied.runs} runs, ${tidied.failed} of them failed, beside ${messages} questions (exit codes ` +
            `${[...codes].map(([code, times]) => `${code}: ${times}`).join(", ")}) in ${seconds(performance.now() - startedMs)}`,
        );
        expect({ isAnswered, answers: answers() }).toEqual({ isAnswered: true, answers: messages });
        expect(last.exitCode).toBe(0);
        expect([...codes.keys()].filter((code) => code !== 0 && code !== 75)).toEqual([]);
        expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      } finally {
        isOver = true;
        await sandbox.close();
      }
    },
    timeoutMs,
  );
}
