import { expect, test } from "bun:test";
import { seconds } from "./figures.ts";
import { describe, judge } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import { FleetSandbox } from "./fleet-sandbox.ts";
import { holdLocks } from "./kill-run.ts";
import { killReceivers } from "./killed-receivers.ts";
import { canServe, type Transport } from "./proxied-fleet.ts";
import { serveSandbox } from "./served-sandbox.ts";

/** One test: so many pushes whose receiver is killed, over one way. The seed is `FLEETD_RECEIVER_SEED`, or drawn. */
export function defineReceiverKills(transport: Transport | "file", kills: number, timeoutMs: number): void {
  const isPossible = process.platform === "linux" && (transport === "file" || canServe(transport));
  const seed = Number(process.env["FLEETD_RECEIVER_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  test.skipIf(!isPossible)(
    `receive-pack may be killed at any point of a push (${transport})`,
    async () => {
      const startedMs = performance.now();
      const local = new FleetSandbox();
      const served =
        transport === "file"
          ? { sandbox: local, settle: () => Promise.resolve(), close: () => local.close() }
          : await serveSandbox(transport, "");
      const { sandbox } = served;
      try {
        for (const server of ["a", "b"]) await sandbox.init(server);
        // So that some kills meet it while it has the refs locked.
        holdLocks(sandbox.remote, "sleep 0.015");
        const seen = await killReceivers({ sandbox, seed, kills, isFolder: transport === "file" });
        const { landed, missed, there, notThere, locked, notYet } = seen;
        console.log(
          `\nreceive-pack over ${transport}: ${landed} kills in ${seconds(performance.now() - startedMs)}, ${missed} came too late, ` +
            `pushed all the same ${there}, not ${notThere}, locks left ${locked}, "not yet" because of them ${notYet}, FLEETD_RECEIVER_SEED=${seed}`,
        );
        expect(seen.faults).toEqual([]);
        expect(landed).toBeGreaterThanOrEqual(kills);
        await served.settle();
        expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      } finally {
        await served.close();
        await local.close();
      }
    },
    timeoutMs,
  );
}
