// Many servers send at once, each from its own process, and none of them retries by hand.
import { afterAll, expect, test } from "bun:test";
import { Figures, percentile, seconds } from "../helpers/figures.ts";
import { describe, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { inParallel } from "../helpers/in-parallel.ts";

const figures = new Figures("swarm: senders at once on one file remote, a process per message");
afterAll(() => figures.print());

async function sendInTurn(sandbox: FleetSandbox, server: string, count: number): Promise<CommandResult[]> {
  const results: CommandResult[] = [];
  for (let sent = 0; sent < count; sent += 1) results.push(await sandbox.send(server, { to: "reader" }));
  return results;
}

for (const [senders, each] of [
  [10, 20],
  [50, 4],
] as const) {
  test(`${senders} senders x ${each} messages at once all arrive exactly once`, async () => {
    const sandbox = new FleetSandbox();
    try {
      const names = Array.from({ length: senders }, (_, number) => `sender-${number}`);
      const initStartedMs = performance.now();
      await inParallel(["reader", ...names], 4, (name) => sandbox.init(name));
      const startedMs = performance.now();
      const initMs = startedMs - initStartedMs;
      const results = (await Promise.all(names.map((name) => sendInTurn(sandbox, name, each)))).flat();
      const tookMs = performance.now() - startedMs;
      // Counted before anything else looks at the remote: what is there now came without any help.
      const arrived = readLogs(sandbox).filter((entry) => entry.type === "message").length;
      const codes = Map.groupBy(results, (result) => result.exitCode);
      const latencies = results.map((result) => result.endedWallMs - result.startedWallMs);
      figures.add(`${senders} x ${each}: making ${senders + 1} servers`, seconds(initMs));
      figures.add(
        `${senders} x ${each}: sending`,
        `${seconds(tookMs)}, ${((senders * each * 1000) / tookMs).toFixed(0)} messages/s, p50 ${percentile(latencies, 0.5)} ms, p99 ${percentile(latencies, 0.99)} ms`,
      );
      figures.add(
        `${senders} x ${each}: arrived`,
        `${arrived} of ${senders * each}; exit codes ${[...codes].map(([code, all]) => `${code}: ${all.length}`).join(", ")}`,
      );
      expect([...codes.keys()].filter((code) => code !== 0 && code !== 75)).toEqual([]);
      expect(arrived + (codes.get(75)?.length ?? 0)).toBeGreaterThanOrEqual(senders * each);
      expect(describe(judge(sandbox.sends, await gather(sandbox, ["reader"])))).toBe("");
      expect(readLogs(sandbox).filter((entry) => entry.type === "message")).toHaveLength(senders * each);
    } finally {
      await sandbox.close();
    }
  }, 120_000);
}
