import { toInstant } from "../../base/instant.ts";
import { loadSummary } from "../../daemon/load-summary.ts";
import { lastOperations } from "../../fleet/metrics/metrics-store.ts";
import type { Counter, MetricsSummary, OperationFigures } from "../../fleet/metrics/model.ts";
import { systemClock } from "../../platform/clock.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { type SafeText, safe } from "../output/safe-text.ts";
import { sparkline } from "../output/sparkline.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, withSession } from "../session.ts";

/** The arguments of `metrics`, as typed. */
export interface MetricsArguments {
  readonly hours: string;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Single operations that `--json` adds, newest first. */
const RECENT_MAX = 20;
/** Hours of a sparkline at most; more are drawn together. */
const SPARK_WIDTH = 60;

/** Tells what this server's daemon did within some hours; reads the database, no daemon has to run. */
export async function metrics(args: MetricsArguments): Promise<void> {
  const hours = parseCount("hours", args.hours);
  await withSession(args, (session) => {
    const { state, identity } = session.mailbox();
    const summary = loadSummary(state, hours, systemClock.wallMs());
    if (args.json) {
      const recent = lastOperations(state, RECENT_MAX).map(toOperationJson);
      printJson("metrics", { server: identity.server, ...summary, recent });
    } else {
      printSummary(summary, { server: identity.server, style: openStyle(args) });
    }
    return Promise.resolve();
  });
}

const toOperationJson = (one: ReturnType<typeof lastOperations>[number]): Record<string, unknown> => ({
  timestamp: toInstant(one.atWallMs),
  type: one.type,
  duration_ms: one.durationMs,
  success: one.success,
  metadata: one.metadata,
});

function printSummary(summary: MetricsSummary, view: { server: string; style: Style }): void {
  const { style } = view;
  const { counters, hourly } = summary;
  printText(safe`${style.bold(view.server)}: the last ${hoursInWords(summary.period_hours)}`);
  printText(operationTable(summary, style));
  const rows = Object.entries(counters).map(([name, count]) => [name, String(count)]);
  printText("");
  printText(
    renderTable(
      { columns: [{ title: "COUNTER" }, { title: "COUNT", align: "right", keepWhole: true }], rows },
      style,
      terminalWidth(),
    ),
  );
  printText("");
  const spark = (title: string, name: Counter): void =>
    printText(
      safe`${style.dim(title.padEnd(8))}  ${sparkline(
        hourly.map((hour) => hour.counters[name]),
        SPARK_WIDTH,
      )}`,
    );
  spark("received", "messages_received");
  spark("sent", "messages_sent");
  spark("errors", "errors");
  printText(style.dim(`          ${hourly[0]?.hour.slice(0, 16).replace("T", " ")} UTC to now, by the hour`));
  if (summary.from_future > 0) {
    printText(
      safe`${style.yellow("!")} ${summary.from_future} operation(s) bear a later date: the clock was set back`,
    );
  }
}

const hoursInWords = (hours: number): string => (hours === 1 ? "hour" : `${hours} hours`);

function operationTable({ operations, ...all }: MetricsSummary, style: Style): SafeText {
  const entries = Object.entries(operations);
  if (entries.length === 0) return style.dim("no operations: no monitor ran, or nothing was recorded yet");
  const rows = entries.map(([type, figures]) => rowOf(type, figures, style));
  if (entries.length > 1) rows.push(rowOf("all", all, style));
  const right = { align: "right", keepWhole: true } as const;
  const columns = [
    { title: "OPERATION" },
    ...["COUNT", "OK %", "P50 MS", "P95 MS", "P99 MS", "MAX MS"].map((title) => ({ title, ...right })),
  ];
  return renderTable({ columns, rows }, style, terminalWidth());
}

function rowOf(name: string, figures: OperationFigures, style: Style): (string | SafeText)[] {
  const rate = figures.success_rate === null ? "" : shortNumber(figures.success_rate);
  const durations = [figures.p50_ms, figures.p95_ms, figures.p99_ms, figures.max_ms];
  return [
    name,
    String(figures.count),
    figures.failures === 0 ? rate : style.red(rate),
    ...durations.map((value) => (value === null ? "" : shortNumber(value))),
  ];
}

/** Three digits are enough to compare by eye. Never rounded up to a hundred per cent. */
function shortNumber(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.floor(value));
  return (Math.floor(value * 10) / 10).toFixed(1);
}
