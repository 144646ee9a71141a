// The one gate: everything that has to hold before a commit. `bun run ok --help`.
import { join } from "node:path";
import { EXIT_CODES } from "../src/base/errors.ts";
import { addCounts, formatCounts, NO_TESTS } from "./gate/counts.ts";
import { type Environment, runStation, type StationReport } from "./gate/run-station.ts";
import { type GateOptions, listStations, parseGateOptions, type Station, USAGE } from "./gate/stations.ts";

const ROOT = join(import.meta.dir, "..");

/** Runs the stations and prints how each went; resolves to the exit code. The counts are the last line. */
async function runGate(options: GateOptions): Promise<number> {
  const env: Environment = { ...process.env, ...(options.long ? { FLEETD_LONG: "1" } : {}) };
  let total = NO_TESTS;
  let isRed = false;
  for (const station of listStations(options)) {
    const startedMs = performance.now();
    const report = await runStation(ROOT, station, env);
    printReport(station, report, performance.now() - startedMs);
    total = addCounts(total, report.counts);
    isRed ||= report.isRed;
    if (isRed && !options.keepGoing) break;
  }
  console.log(formatCounts(total));
  return isRed ? EXIT_CODES.FAILED : 0;
}

function printReport(station: Station, report: StationReport, tookMs: number): void {
  if (report.isRed) console.log(report.output.trimEnd());
  else for (const line of linesWorthReading(report.output)) console.log(`     ${line}`);
  const counts = station.kind === "tests" ? `, ${formatCounts(report.counts)}` : "";
  const verdict = report.isRed ? "RED " : "ok  ";
  console.log(`${verdict} ${station.name} (${(tookMs / 1000).toFixed(1)} s${counts})`);
}

/** What a green station must not hide: which tests were skipped, and why. */
const linesWorthReading = (output: string): string[] =>
  output.split("\n").filter((line) => /skip|^no tests/i.test(line) && !/^\(pass\)|^ *\d+ skip$/.test(line));

if (import.meta.main) {
  const words = process.argv.slice(2);
  const options = parseGateOptions(words);
  if (words.includes("--help") || words.includes("-h")) console.log(USAGE);
  else if (options.ok) process.exitCode = await runGate(options.value);
  else {
    console.error(`${options.error}\n\n${USAGE}`);
    process.exitCode = EXIT_CODES.USAGE;
  }
}
