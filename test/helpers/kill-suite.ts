// The suite of kills, short for every commit and long for the long run.
import { afterAll, expect, test } from "bun:test";
import { judgeCompactions, killCompactions } from "./compaction-kills.ts";
import { Figures, seconds } from "./figures.ts";
import { describe, judge } from "./fleet-checker.ts";
import { gather } from "./fleet-evidence.ts";
import { KillRun, killInit, killInits, killReceiver, killSendersDaemon, killSends } from "./kill-run.ts";

/** How many kills of each kind. */
export interface KillPlan {
  readonly sends: number;
  readonly sendersDaemon: number;
  readonly receiver: number;
  readonly inits: number;
  readonly founders: number;
  readonly compactions: number;
  readonly timeoutMs: number;
}

/** `FLEETD_KILL_SEED` plays a schedule again, as far as the machine lets it. */
const SEED = Number(process.env["FLEETD_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Defines a test per kind of kill. */
export function defineKillTests(plan: KillPlan): void {
  const figures = new Figures(`kills: kill -9 at random points, FLEETD_KILL_SEED=${SEED}`);
  let total = 0;
  afterAll(() => {
    figures.add("kills in all", total);
    figures.print();
  });

  const note = (kind: string, run: KillRun, startedMs: number): void => {
    const { landed, missed, notYet, locksAged, phases } = run.counts;
    total += landed;
    figures.add(
      kind,
      `${landed} kills in ${seconds(performance.now() - startedMs)}, ${missed} came too late, ${notYet} times "not yet", ${locksAged} locks left`,
    );
    for (const [phase, count] of [...phases].toSorted()) figures.add(`  ${phase}`, count);
  };

  /** One fleet, its kills, and the judgement. */
  const defineRun = (
    kind: string,
    wanted: number,
    kills: (run: KillRun, wanted: number) => Promise<void>,
    verdict = judgeAll,
  ) => {
    test.skipIf(process.platform !== "linux")(
      `${kind} may be killed at any point`,
      async () => {
        const startedMs = performance.now();
        const run = new KillRun(SEED);
        try {
          await kills(run, wanted);
          note(kind, run, startedMs);
          expect(run.counts.faults).toEqual([]);
          expect(await verdict(run)).toBe("");
          expect(run.counts.landed).toBeGreaterThanOrEqual(wanted);
        } finally {
          await run.sandbox.close();
        }
      },
      plan.timeoutMs,
    );
  };

  defineRun("a send without a daemon", plan.sends, killSends);
  defineRun("the daemon that a send goes through", plan.sendersDaemon, killSendersDaemon);
  defineRun("the daemon that receives and answers", plan.receiver, killReceiver);
  defineRun("an init that joins", plan.inits, killInits);
  defineRun("an init that founds a fleet", plan.founders, killFounders);
  defineRun("a log that is being shortened", plan.compactions, killCompactions, judgeShortened);
}

const judgeAll = async ({ sandbox }: KillRun): Promise<string> =>
  describe(judge(sandbox.sends, await gather(sandbox, ["a", "b"])));

/** What was shortened is no longer on the remote, so what its reader and its writer have is judged. */
const judgeShortened = async (run: KillRun): Promise<string> => (await judgeCompactions(run)).join("\n");

/** Every founder has a remote of its own, so there are as many fleets as kills. */
async function killFounders(run: KillRun, wanted: number): Promise<void> {
  const operation = async (): Promise<void> => {
    const fleet = run.fork();
    try {
      await fleet.sandbox.init("a");
    } finally {
      await fleet.sandbox.close();
    }
  };
  await run.repeat(wanted, operation, async (kill) => {
    const fleet = run.fork();
    try {
      const landed = await killInit(fleet, "a", kill);
      const verdict = describe(judge(fleet.sandbox.sends, await gather(fleet.sandbox)));
      if (verdict !== "") run.fault(verdict);
      return landed;
    } finally {
      await fleet.sandbox.close();
    }
  });
}
