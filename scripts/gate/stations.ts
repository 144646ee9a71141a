import { fail, ok, type Result } from "../../src/base/result.ts";

/** One step of the gate: a command, or a folder of tests. */
export type Station =
  | { readonly kind: "check"; readonly name: string; readonly words: readonly string[] }
  | {
      readonly kind: "tests";
      readonly name: string;
      /** Relative to the project root. */
      readonly folder: string;
      /** Options of `bun test`. */
      readonly options: readonly string[];
      /** Whether what it writes may be in memory; on a disk where it is left out. */
      readonly inMemory?: boolean;
    };

/** How the gate is run. */
export type GateOptions = { readonly keepGoing: boolean; readonly long: boolean };

/** How the words after `bun run ok` are written. */
export const USAGE = `bun run ok [--keep-going] [--long]

  --keep-going  go on after a red station
  --long        also run the suites in test/long (FLEETD_LONG=1)`;

/** Reads the words after the script's name. */
export function parseGateOptions(words: readonly string[]): Result<GateOptions> {
  const unknown = words.find((word) => word !== "--keep-going" && word !== "--long");
  if (unknown !== undefined) {
    return fail(`Cannot run the gate: found "${unknown}", expected --keep-going or --long`);
  }
  return ok({ keepGoing: words.includes("--keep-going"), long: words.includes("--long") });
}

// They take milliseconds, but a machine may stand still for longer than the 5 s that a test has otherwise.
const UNIT = ["--timeout", "60000"];
// Three files at a time: the e2e tests, which often wait, took 318 s instead of 366 s for two at a time on two cores.
// 120 s per test is far above the slowest one; chosen, not measured.
const OUTSIDE_WORLD = ["--timeout", "120000", "--parallel=3"];
// The slowest files first, or one of them that comes last keeps the others waiting. `--update-timings` writes the figures.
const BY_LENGTH = [...OUTSIDE_WORLD, "--timings=test/timings.json"];
// Long suites measure, so nothing runs beside them. Ten minutes per test: chosen, not measured.
const LONG = ["--timeout", "600000"];

/** The stations in the order they are run: quick ones first, and the build right before what needs it. */
export function listStations({ long }: { readonly long: boolean }): Station[] {
  const stations: Station[] = [
    {
      kind: "check",
      name: "biome ci",
      words: ["node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off"],
    },
    { kind: "check", name: "tsc", words: ["node_modules/typescript/bin/tsc"] },
    { kind: "check", name: "check-architecture", words: ["scripts/check-architecture.ts"] },
    { kind: "tests", name: "unit tests", folder: "test/unit", options: UNIT },
    { kind: "tests", name: "integration tests", folder: "test/integration", options: OUTSIDE_WORLD },
    { kind: "check", name: "build", words: ["scripts/build.ts", "--single"] },
    { kind: "tests", name: "e2e tests", folder: "test/e2e", options: BY_LENGTH, inMemory: true },
    { kind: "tests", name: "fault tests", folder: "test/faults", options: BY_LENGTH, inMemory: true },
  ];
  if (long) stations.push({ kind: "tests", name: "long tests", folder: "test/long", options: LONG });
  return stations;
}
