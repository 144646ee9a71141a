import { FleetError } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import {
  type Check,
  type HealthReport,
  problemsFirst,
  toVerdictCode,
  type VerdictCode,
} from "../../fleet/health/model.ts";
import { commandSignal } from "../command-signal.ts";
import { judgeServer } from "../judge-server.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { lightOf, paintVerdict, renderProblem } from "../output/verdict.ts";
import { reportFailure } from "../report-failure.ts";
import { sessionOf } from "../session.ts";
import { loadSettings, requireServer } from "../settings.ts";

/** The arguments of `health`, as typed. */
export interface HealthArguments {
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Judges this server now. Exit code 0 ok, 1 something to look at or unknown, 2 critical, 3 nothing could be judged. */
export async function health(args: HealthArguments): Promise<number> {
  return await orUnjudged(args, async () => {
    const settings = await loadSettings(args);
    const session = sessionOf(requireServer(settings), settings.running);
    try {
      const ask = { timeoutMs: settings.running.timeouts.network, signal: commandSignal() };
      const { report } = await judgeServer(session, settings.running, ask);
      if (args.json) printJson("health", toHealthJson(report));
      else printReport(report, openStyle(args));
      return toVerdictCode(report.verdict);
    } finally {
      await session.close();
    }
  });
}

/** Runs `judge`; where no server can be chosen or looked at, says why and answers 3, which monitoring takes for "unknown". */
export async function orUnjudged(
  args: { readonly json: boolean },
  judge: () => Promise<number>,
): Promise<number> {
  try {
    return await judge();
  } catch (thrown) {
    if (!(thrown instanceof FleetError) || !["CONFIG", "IO"].includes(thrown.code)) throw thrown;
    reportFailure(thrown, { json: args.json, debug: false });
    return 3 satisfies VerdictCode;
  }
}

/** A report as scripts read it. */
export const toHealthJson = (report: HealthReport): Record<string, unknown> => ({
  verdict: report.verdict,
  at: toInstant(report.judgedWallMs),
  checks: report.checks.map(toCheckJson),
});

const toCheckJson = ({ id, verdict, figure, threshold, evidence, fix }: Check): Record<string, unknown> => ({
  id,
  verdict,
  figure,
  threshold,
  evidence,
  fix,
});

function printReport(report: HealthReport, style: Style): void {
  const width = terminalWidth();
  const problems = problemsFirst(report.checks);
  const words = report.verdict === "ok" ? "all is well" : `${report.verdict}: ${problems.length} to look at`;
  printText(paintVerdict(report.verdict, `● ${words}`, style));
  for (const problem of problems) printText(renderProblem(problem, style, width));
  const rows = report.checks.map((check) => [
    lightOf(check.verdict, style),
    check.id,
    check.figure,
    check.threshold,
    check.evidence,
  ]);
  const columns = [
    { title: "", keepWhole: true },
    { title: "CHECK", keepWhole: true },
    { title: "NOW" },
    { title: "WARN / CRITICAL" },
    { title: "EVIDENCE" },
  ];
  printText(safe`${renderTable({ columns, rows }, style, width)}`);
}
