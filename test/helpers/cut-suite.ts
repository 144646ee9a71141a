import { expect, test } from "bun:test";
import {
  type CutRow,
  printRows,
  type Sweep,
  swallowReplies,
  sweepDaemon,
  sweepFetches,
  sweepPushes,
} from "./cut-sweep.ts";
import { seconds } from "./figures.ts";
import { describe as describeAll, judge } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import { canServe, type Transport } from "./proxied-fleet.ts";
import { serveSandbox } from "./served-sandbox.ts";

/** How many cuts of each kind; those of pushes, fetches and the daemon are made in both directions. */
export interface CutPlan {
  readonly transport: Transport;
  readonly pushes: number;
  readonly fetches: number;
  readonly daemon: number;
  readonly swallowed: number;
  readonly timeoutMs: number;
}

/** So that a daemon is back soon after the way is: the defaults divided by some ten. */
const SETTINGS = `
interval: 200ms
timeouts: {fetch: 5s, push: 5s, network: 2s}
retry: {retries: 1, first: 50ms, longest: 200ms}
breaker: {failures: 5, open_for: 1s, successes: 1}
`;

/** Defines one test per kind. The seed is `FLEETD_CUT_SEED`, or drawn; every run prints it. */
export function defineCutTests(plan: CutPlan): void {
  const served = canServe(plan.transport);
  const seed = Number(process.env["FLEETD_CUT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const define = (kind: string, count: number, run: (sweep: Sweep) => Promise<void>): void => {
    if (count === 0) return;
    test.skipIf(!served)(
      `over ${plan.transport}, ${kind}`,
      async () => {
        const startedMs = performance.now();
        const { sandbox, proxy, settle, close } = await serveSandbox(plan.transport, SETTINGS);
        const rows: CutRow[] = [];
        try {
          const address = sandbox.address;
          for (const server of ["a", "b"]) await sandbox.init(server);
          sandbox.address = sandbox.remote;
          await sandbox.init("c");
          sandbox.address = address;
          const sweep: Sweep = { sandbox, proxy, seed, rows, faults: [] };
          await run(sweep);
          expect(sweep.faults).toEqual([]);
          await proxy.be("pass");
          await settle();
          expect(describeAll(judge(sandbox.sends, await gather(sandbox, ["a", "b"])))).toBe("");
        } finally {
          const took = seconds(performance.now() - startedMs);
          printRows(
            `${plan.transport}, ${kind}: ${rows.length} cuts, ${took}, FLEETD_CUT_SEED=${seed}`,
            rows,
          );
          await close();
        }
      },
      plan.timeoutMs,
    );
  };
  define("a send whose way dies after N bytes", plan.pushes, (sweep) => sweepPushes(sweep, plan.pushes));
  define("a look whose way dies after N bytes", plan.fetches, (sweep) => sweepFetches(sweep, plan.fetches));
  define("a send through a daemon whose way dies after N bytes", plan.daemon, async (sweep) => {
    const monitor = await sweep.sandbox.monitor("a");
    await sweepDaemon(sweep, monitor, plan.daemon);
    await monitor.stop();
  });
  define("a send whose answer vanishes after N bytes", plan.swallowed, (sweep) =>
    swallowReplies(sweep, plan.swallowed),
  );
}
