import type { Ran, Running, TempFleet } from "./temp-fleet.ts";
import { eventually } from "./temp-git.ts";

const WITHIN_MS = 60_000;

/** Starts `count` monitors of `server` at the same moment; answers the one that runs and how the others ended. */
export async function raceStarters(
  fleet: TempFleet,
  server: string,
  count: number,
): Promise<{ readonly winner: Running; readonly losers: readonly Ran[] }> {
  const starters = Array.from({ length: count }, () => fleet.start(["monitor", "--server", server]));
  const ended = new Map<Running, Ran>();
  for (const starter of starters) void starter.ended().then((ran) => ended.set(starter, ran));
  await eventually(() => ended.size >= count - 1, WITHIN_MS);
  const running = starters.filter((starter) => !ended.has(starter));
  const [winner] = running;
  if (winner === undefined || running.length !== 1) {
    const told = [...ended.values()].map(({ code, stderr }) => `${code}: ${stderr}`).join("");
    throw new Error(`${running.length} of ${count} run, one has to: ${told}`);
  }
  // Ready is said by the one that has the place; a second one that thinks so, too, would say it as well.
  await winner.printed("ready");
  return { winner, losers: [...ended.values()] };
}
