// `bun run simulate`: see --help.
import { parseSimulateOptions, type SimulateOptions, USAGE } from "./arguments.ts";
import type { Happening } from "./happening.ts";
import { planOf, play } from "./play.ts";
import { playRange } from "./pool.ts";
import { shrink } from "./shrink.ts";
import type { Outcome } from "./simulate.ts";

/** A failure is made smaller for so long; chosen, a run takes about a second. */
const SHRINK_MS = 5 * 60_000;
/** So many of the last lines of a trace are shown. */
const TRACE_LINES_MAX = 200;

const parsed = parseSimulateOptions(process.argv.slice(2));
if (!parsed.ok) {
  console.error(parsed.error);
  console.error(USAGE);
  process.exitCode = 64;
} else if (parsed.value.help) {
  console.log(USAGE);
} else {
  process.exitCode = await main(parsed.value);
}

async function main(options: SimulateOptions): Promise<number> {
  const startedMs = performance.now();
  const outcomes: Outcome[] = [];
  const count = options.last - options.first + 1;
  const note = (outcome: Outcome): void => {
    outcomes.push(outcome);
    const verdict = outcome.broken.length === 0 ? "kept" : `BROKEN ${outcome.broken[0]?.rule}`;
    console.error(`[${outcomes.length}/${count}] seed ${outcome.seed} ${outcome.traceHash} ${verdict}`);
  };
  if (count === 1) note(play(planOf(options.first, options), options, options.trace));
  else await playRange(options, note);
  outcomes.sort((left, right) => left.seed - right.seed);
  const seconds = (performance.now() - startedMs) / 1000;
  const failed = outcomes.find(({ broken }) => broken.length > 0);
  const small = failed === undefined ? null : makeSmall(failed, options);
  if (options.json) printJson(options, outcomes, { seconds, small });
  else printText(outcomes, { seconds, small, options });
  return failed === undefined ? 0 : 1;
}

/** A failure and the shortest way to it that was found. */
interface Small {
  readonly outcome: Outcome;
  readonly rule: string;
  readonly ids: readonly number[];
  readonly happenings: readonly Happening[];
  readonly runs: number;
  readonly command: string;
}

function makeSmall(failed: Outcome, options: SimulateOptions): Small {
  const plan = planOf(failed.seed, options);
  const rule = failed.broken[0]?.rule ?? "";
  const untilMs = performance.now() + SHRINK_MS;
  console.error(`making the failure of seed ${failed.seed} small (${rule}) ...`);
  const { ids, runs } = shrink(
    plan,
    rule,
    (some) => play(some, options),
    () => performance.now() < untilMs,
  );
  const wanted = { ...options, only: ids };
  const { servers, hours, mutant, realSignatures, everyRound, doubleFaults } = options;
  const words = [
    `--seed ${failed.seed} --servers ${servers} --hours ${hours} --only ${ids.join(",")}`,
    mutant === null ? "" : ` --mutant ${mutant}`,
    realSignatures ? " --real-signatures" : "",
    everyRound ? " --every-round" : "",
    doubleFaults ? " --double-faults" : "",
  ];
  const smallPlan = planOf(failed.seed, wanted);
  const outcome = play(smallPlan, wanted, true);
  return {
    outcome,
    rule,
    ids,
    happenings: smallPlan.happenings,
    runs,
    command: `bun run simulate ${words.join("")}`,
  };
}

function printText(
  outcomes: readonly Outcome[],
  on: { readonly seconds: number; readonly small: Small | null; readonly options: SimulateOptions },
): void {
  const { seconds, small, options } = on;
  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, one) => total + pick(one), 0);
  if (options.trace) for (const line of outcomes[0]?.trace ?? []) console.log(line);
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined) console.log(`trace ${only.traceHash}`);
  console.log(
    `${outcomes.length} runs of ${options.servers} servers, ${options.hours} h, in ${seconds.toFixed(1)} s: ` +
      `${sum(({ counts }) => counts.faults)} faults, ${sum(({ counts }) => counts.acknowledged)} messages acknowledged, ` +
      `${sum(({ counts }) => counts.answers)} automatic answers, ${outcomes.filter(({ broken }) => broken.length > 0).length} runs broke a promise ` +
      `(${((outcomes.length * 60) / seconds).toFixed(0)} a minute)`,
  );
  if (small === null) return;
  console.log(`\nseed ${small.outcome.seed} breaks "${small.rule}":`);
  for (const { rule, detail } of small.outcome.broken.slice(0, 20)) console.log(`  ${rule}: ${detail}`);
  console.log(`\nwhat it takes (${small.ids.length} happenings, found in ${small.runs} runs):`);
  for (const one of small.happenings) console.log(`  ${JSON.stringify(one)}`);
  const trace = small.outcome.trace ?? [];
  console.log(
    `\nwhat happened${trace.length > TRACE_LINES_MAX ? `, the last ${TRACE_LINES_MAX} of ${trace.length} lines` : ""}:`,
  );
  for (const line of trace.slice(-TRACE_LINES_MAX)) console.log(`  ${line}`);
  console.log(`\nagain: ${small.command}`);
}

function printJson(
  options: SimulateOptions,
  outcomes: readonly Outcome[],
  { seconds, small }: { readonly seconds: number; readonly small: Small | null },
): void {
  const runs = outcomes.map(({ trace, ...one }) => (options.trace ? { ...one, trace } : one));
  console.log(JSON.stringify({ schema: "fleetd.simulate/1", seconds, runs, small }));
}
