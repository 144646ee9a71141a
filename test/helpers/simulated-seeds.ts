import { playRange } from "../simulation/pool.ts";
import { Figures, seconds } from "./figures.ts";

/** Plays seeds in two processes; a line for each that broke a promise, with the command that shows it again. */
export async function playSeeds(wanted: {
  readonly first: number;
  readonly last: number;
  readonly servers: number;
  readonly hours: number;
  readonly doubleFaults?: boolean;
}): Promise<string[]> {
  const { first, last, servers, hours, doubleFaults = false } = wanted;
  const startedMs = performance.now();
  const failures: string[] = [];
  const sum = { faults: 0, acknowledged: 0, answers: 0, entries: 0 };
  await playRange({ ...wanted, workers: 2, mutant: null, doubleFaults }, ({ seed, broken, counts }) => {
    sum.faults += counts.faults;
    sum.acknowledged += counts.acknowledged;
    sum.answers += counts.answers;
    sum.entries += counts.entries;
    const [one] = broken;
    if (one === undefined) return;
    const again = `bun run simulate --seed ${seed} --servers ${servers} --hours ${hours}${doubleFaults ? " --double-faults" : ""}`;
    failures.push(`${one.rule}: ${one.detail}; ${again}`);
  });
  const tookMs = performance.now() - startedMs;
  const count = last - first + 1;
  const figures = new Figures(`simulation: ${count} seeds of ${servers} servers, ${hours} h`);
  figures.add("runs that broke a promise", failures.length);
  figures.add("took", `${seconds(tookMs)}, ${((count * 60_000) / tookMs).toFixed(0)} seeds a minute`);
  figures.add("faults injected", sum.faults);
  figures.add("messages acknowledged", sum.acknowledged);
  figures.add("entries on remotes", sum.entries);
  figures.add("automatic answers", sum.answers);
  figures.print();
  return failures;
}
