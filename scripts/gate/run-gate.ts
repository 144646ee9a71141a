import { addCounts, formatCounts, NO_TESTS } from "./counts.ts";
import { type Environment, runStation, type StationReport } from "./run-station.ts";
import type { Station } from "./stations.ts";

/** What the gate runs, where, and where it writes its lines. */
export type Gate = {
  readonly root: string;
  readonly stations: readonly Station[];
  /** Whether to go on after a red station. */
  readonly keepGoing: boolean;
  readonly env: Environment;
  readonly print: (text: string) => void;
};

/** Runs the stations one after the other and prints how each went, and the counts last; resolves to whether all are green. */
export async function runGate({ root, stations, keepGoing, env, print }: Gate): Promise<boolean> {
  let total = NO_TESTS;
  let isRed = false;
  for (const station of stations) {
    const startedMs = performance.now();
    const report = await runStation(root, station, env);
    print(describeReport(station, report, performance.now() - startedMs));
    total = addCounts(total, report.counts);
    isRed ||= report.isRed;
    if (isRed && !keepGoing) break;
  }
  print(formatCounts(total));
  return !isRed;
}

function describeReport(station: Station, report: StationReport, tookMs: number): string {
  const shown = report.isRed
    ? [report.output.trimEnd()]
    : linesWorthReading(report.output).map((line) => `     ${line}`);
  const counts = station.kind === "tests" ? `, ${formatCounts(report.counts)}` : "";
  const verdict = report.isRed ? "RED " : "ok  ";
  return [...shown, `${verdict} ${station.name} (${(tookMs / 1000).toFixed(1)} s${counts})`].join("\n");
}

/** What a green station must not hide: which tests were skipped, and why. */
const linesWorthReading = (output: string): string[] =>
  output.split("\n").filter((line) => /^(?:skipped:|\(skip\)|\(todo\)|no tests in )/.test(line));
