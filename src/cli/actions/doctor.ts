import { FleetError, messageOf } from "../../base/errors.ts";
import { type Diagnosis, healthy, type Mend, trouble } from "../../daemon/doctor/diagnosis.ts";
import { examine } from "../../daemon/doctor/examine.ts";
import { examineMachine } from "../../daemon/doctor/examine-machine.ts";
import { problemsFirst, toVerdictCode, type Verdict, worstOf } from "../../fleet/health/model.ts";
import { completeSettings } from "../../fleet/settings/complete-settings.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { type ServerPaths, stateRoot } from "../../platform/paths.ts";
import { commandSignal } from "../command-signal.ts";
import { tryMailbox } from "../judge-server.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { paintVerdict, renderProblem } from "../output/verdict.ts";
import { wrap } from "../output/wrap.ts";
import { sessionOf } from "../session.ts";
import type { SettingFlags } from "../setting-sources.ts";
import { loadSettings, requireServer } from "../settings.ts";
import { VERSION } from "../version.ts";

/** The arguments of `doctor`, as typed. */
export interface DoctorArguments {
  readonly fix: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** A remote that does not answer a person at a terminal so soon is in trouble. Chosen, not measured. */
const ASK_TIMEOUT_MS = 10_000;

/** What was done about a finding. */
interface Treatment {
  readonly id: string;
  readonly what: string;
  readonly outcome: "done" | "would-do" | "needs-yes" | "failed";
  readonly detail: string | null;
}

/** Examines this server and, when asked, mends it. Exit code as for `health`: how it is now, after mending. */
export async function doctor(args: DoctorArguments): Promise<number> {
  if ((args.yes || args.dryRun) && !args.fix) {
    throw new FleetError("USAGE", "Cannot mend: --yes and --dry-run belong to --fix");
  }
  const { found: before, treatments } = await examineAll(args, (found) =>
    args.fix ? treat(found, args) : Promise.resolve([]),
  );
  const isChanged = treatments.some((one) => one.outcome === "done");
  const found = isChanged ? (await examineAll(args, () => Promise.resolve([]))).found : before;
  const verdict = worstOf(found.map((one) => one.verdict));
  if (args.json) {
    printJson("doctor", { verdict, findings: found.map(toFindingJson), treatments });
  } else {
    printFindings(found, treatments, openStyle(args));
  }
  return toVerdictCode(verdict);
}

/** A finding as scripts read it. `mend`: what `--fix` would do, null where nothing can be done here. */
export const toFindingJson = ({ id, verdict, evidence, fix, mend }: Diagnosis): Record<string, unknown> => ({
  id,
  verdict,
  evidence,
  fix,
  mend: mend?.what ?? null,
});

/**
 * Everything that is found: of the configuration, of the machine, and of the server if there is one. `treatAll` is
 * handed it while the server is still open, since mending works on it.
 */
export async function examineAll(
  flags: SettingFlags,
  treatAll: (found: readonly Diagnosis[]) => Promise<readonly Treatment[]>,
): Promise<{ readonly found: readonly Diagnosis[]; readonly treatments: readonly Treatment[] }> {
  const { settings, paths, found: first } = await chooseServer(flags);
  if (paths === null) {
    const found = [...first, ...(await examineMachine(stateRoot(process.env), settings))];
    return { found, treatments: await treatAll(found) };
  }
  const session = sessionOf(paths, settings);
  try {
    const daemon = await session.ask((client) => client.status());
    const ask = { timeoutMs: ASK_TIMEOUT_MS, signal: commandSignal() };
    const mailbox = tryMailbox(session);
    const patient = { paths, settings, version: VERSION, daemon, mailbox, ask };
    const found = [...first, ...(await examine(patient))];
    return { found, treatments: await treatAll(found) };
  } finally {
    await session.close();
  }
}

/** What is wrong with the configuration is a finding; the rest is then examined with what holds without it. */
async function chooseServer(
  flags: SettingFlags,
): Promise<{ settings: ServerSettings; paths: ServerPaths | null; found: Diagnosis[] }> {
  const found: Diagnosis[] = [];
  const note = (id: string, verdict: Exclude<Verdict, "ok">, thrown: unknown, fix: string): void => {
    if (!(thrown instanceof FleetError)) throw thrown;
    found.push(trouble(id, verdict, { evidence: messageOf(thrown), fix: thrown.hint ?? fix }));
  };
  const settings = await loadSettings(flags).catch((thrown: unknown) => {
    note("configuration", "critical", thrown, "Correct the lines that are named, then: fleetd doctor");
    return null;
  });
  if (settings !== null) found.push(healthy("configuration", "every line of it is understood"));
  const server = flags.server ?? process.env["FLEETD_SERVER"] ?? process.env["SERVER_ID"] ?? null;
  const chosen = settings ?? { root: stateRoot(process.env), server, running: completeSettings({}) };
  let paths: ServerPaths | null = null;
  try {
    paths = requireServer(chosen);
  } catch (thrown) {
    // Where none was made yet nothing is wrong; what cannot be looked at is.
    const isRefused = thrown instanceof FleetError && thrown.code === "IO";
    note("server", isRefused ? "critical" : "warn", thrown, "fleetd init");
  }
  return { settings: chosen.running, paths, found };
}

async function treat(found: readonly Diagnosis[], args: DoctorArguments): Promise<Treatment[]> {
  const treatments: Treatment[] = [];
  for (const { id, mend } of found) {
    if (mend !== null) treatments.push({ id, what: mend.what, ...(await apply(mend, args)) });
  }
  return treatments;
}

async function apply(
  mend: Mend,
  { yes, dryRun }: DoctorArguments,
): Promise<Pick<Treatment, "outcome" | "detail">> {
  if (!mend.isSafe && !yes) return { outcome: "needs-yes", detail: "fleetd doctor --fix --yes" };
  if (dryRun) return { outcome: "would-do", detail: null };
  try {
    const said = await mend.run();
    return { outcome: "done", detail: typeof said === "string" && said !== "" ? said : null };
  } catch (thrown) {
    return { outcome: "failed", detail: messageOf(thrown) };
  }
}

function printFindings(found: readonly Diagnosis[], treatments: readonly Treatment[], style: Style): void {
  const width = terminalWidth();
  const problems = problemsFirst(found);
  const verdict = worstOf(found.map((one) => one.verdict));
  const fine = found.filter((one) => one.verdict === "ok");
  for (const treatment of treatments) printText(renderTreatment(treatment, style, width));
  const words =
    problems.length === 0
      ? `all is well: ${fine.length} things examined`
      : `${verdict}: ${problems.length} of ${found.length} things examined are not as they should be`;
  printText(wrap(paintVerdict(verdict, words, style), { first: paintVerdict(verdict, "● ", style), width }));
  for (const problem of problems) {
    printText(renderProblem({ ...problem, evidence: `${problem.id}: ${problem.evidence}` }, style, width));
  }
  for (const one of fine) {
    printText(wrap(style.dim(`${one.id}: ${one.evidence}`), { first: safe`  ${style.green("✓")} `, width }));
  }
}

const OUTCOMES = {
  done: "mended",
  "would-do": "would mend",
  "needs-yes": "not mended",
  failed: "failed",
} as const;

function renderTreatment({ id, what, outcome, detail }: Treatment, style: Style, width: number) {
  const words = OUTCOMES[outcome];
  const paint = outcome === "failed" ? style.red : outcome === "done" ? style.green : style.yellow;
  const rest = detail === null ? "" : outcome === "needs-yes" ? `: needs --yes` : `: ${detail}`;
  return wrap(`${id}: ${what}${rest}`, { first: safe`${paint(words)}  `, width });
}
