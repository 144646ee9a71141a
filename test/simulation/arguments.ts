import { fail, ok, type Result } from "../../src/base/result.ts";
import { MUTANTS } from "./mutants.ts";

/** What `bun run simulate` was asked for. */
export interface SimulateOptions {
  readonly first: number;
  readonly last: number;
  readonly servers: number;
  readonly hours: number;
  /** Only these happenings of the plan. */
  readonly only: readonly number[] | null;
  readonly json: boolean;
  readonly help: boolean;
  readonly trace: boolean;
  readonly everyRound: boolean;
  readonly realSignatures: boolean;
  readonly doubleFaults: boolean;
  readonly mutant: string | null;
  readonly workers: number;
}

export const USAGE = `bun run simulate [--seed N|A..B] [--servers 8] [--hours 2] [--only ID,ID]
                 [--workers N] [--mutant NAME] [--real-signatures] [--every-round]
                 [--double-faults] [--trace] [--json] [--help]

  --seed N|A..B      one run, or a range of them; 1 if not given
  --servers N        machines in the fleet, 2 to 100
  --hours N          how long things go wrong; then all is healed, and everything has to arrive
  --only ID,ID       leave out all other faults and requests of the seed's schedule
  --workers N        processes that share a range of seeds; 2 if not given
  --mutant NAME      break fleetd on purpose: ${MUTANTS.map(({ name }) => name).join(", ")}
  --real-signatures  Ed25519 instead of a stand-in
  --double-faults    servers come back from old backups also where strangers meddle with their refs
  --every-round      run also those rounds of loops that can find nothing new
  --trace            print what happened, line by line
  --json             one JSON object on stdout

Exit codes: 0 all promises kept, 1 one was broken, 64 usage`;

const VALUES = ["seed", "servers", "hours", "only", "workers", "mutant"];
const SWITCHES = ["json", "help", "trace", "every-round", "double-faults", "real-signatures"];

/** Reads the words after the script's name. */
export function parseSimulateOptions(words: readonly string[]): Result<SimulateOptions> {
  const given = new Map<string, string>();
  for (let at = 0; at < words.length; at += 1) {
    const [, name = "", joined] = /^--([a-z-]+)(?:=(.*))?$/.exec(words[at] ?? "") ?? [];
    if (SWITCHES.includes(name) && joined === undefined) {
      given.set(name, "");
      continue;
    }
    if (!VALUES.includes(name))
      return fail(`Cannot simulate: found "${words[at]}", expected one of the options`);
    if (joined === undefined) at += 1;
    given.set(name, joined ?? words[at] ?? "");
  }
  return toOptions(given);
}

function toOptions(given: ReadonlyMap<string, string>): Result<SimulateOptions> {
  const [first = Number.NaN, last = first] = (given.get("seed") ?? "1").split("..").map(toSeed);
  const only = given.get("only");
  const options: SimulateOptions = {
    first,
    last,
    servers: Number(given.get("servers") ?? 8),
    hours: Number(given.get("hours") ?? 2),
    only: only === undefined ? null : only.split(",").flatMap((id) => (id === "" ? [] : [Number(id)])),
    json: given.has("json"),
    help: given.has("help"),
    trace: given.has("trace"),
    everyRound: given.has("every-round"),
    doubleFaults: given.has("double-faults"),
    realSignatures: given.has("real-signatures"),
    mutant: given.get("mutant") ?? null,
    workers: Number(given.get("workers") ?? 2),
  };
  const problem = problemOf(options);
  return problem === null ? ok(options) : fail(`Cannot simulate: ${problem}`);
}

const toSeed = (text: string): number => (/^\d{1,9}$/.test(text) ? Number(text) : Number.NaN);

function problemOf({ first, last, servers, hours, workers, mutant, only }: SimulateOptions): string | null {
  if (!(first <= last)) return "need a seed, or a range of them as A..B";
  if (!isWhole(servers, 2, 100)) return "need 2 to 100 servers";
  if (!(hours > 0 && hours <= 1_000)) return "need hours above 0, at most 1000";
  if (!isWhole(workers, 1, 64)) return "need 1 to 64 workers";
  if (mutant !== null && !MUTANTS.some(({ name }) => name === mutant))
    return `there is no mutant "${mutant}"`;
  if (only === null) return null;
  if (!only.every((id) => isWhole(id, 0, Number.MAX_SAFE_INTEGER)))
    return "need ids after --only, as 3,17,40";
  return first === last ? null : "--only needs one seed";
}

const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;
