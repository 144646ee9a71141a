/** Services as a table. */
import { formatDuration } from "../../base/duration.ts";
import { formatSize } from "../../base/size.ts";
import { describeAwaited, type ServiceState, type ServiceView } from "../../fleet/supervisor/service-view.ts";
import { type Piece, type SafeText, safe } from "./safe-text.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";

const COLOURS: Readonly<Record<ServiceState, "green" | "yellow" | "red" | "dim">> = {
  running: "green",
  completed: "dim",
  stopped: "dim",
  starting: "yellow",
  stopping: "yellow",
  blocked: "yellow",
  unready: "yellow",
  backoff: "yellow",
  failed: "red",
  "crash-loop": "red",
};

/** The word for a state in its colour. */
export const paintState = (state: ServiceState, style: Style): SafeText => style[COLOURS[state]](state);

/** One line per instance: what it does, what it uses, how it ended last. */
export function renderServices(
  services: readonly ServiceView[],
  at: { readonly nowWallMs: number; readonly style: Style; readonly width: number },
): SafeText {
  const { nowWallMs, style, width } = at;
  const rows = services.map((one): Piece[] => [
    one.successor ? safe`${one.name} ${style.dim("(next)")}` : one.name,
    paintState(one.state, style),
    one.pid === null ? "" : String(one.pid),
    ...usageCells(one),
    one.startedWallMs === null ? "" : formatDuration(Math.max(0, nowWallMs - one.startedWallMs)),
    one.restarts === 0 ? "" : String(one.restarts),
    lastWords(one),
  ]);
  return renderTable(
    {
      columns: [
        { title: "NAME", keepWhole: true },
        { title: "STATE", keepWhole: true },
        { title: "PID", align: "right", keepWhole: true },
        { title: "CPU", align: "right", keepWhole: true },
        { title: "MEMORY", align: "right", keepWhole: true },
        { title: "UP", align: "right", keepWhole: true },
        { title: "RESTARTS", align: "right", keepWhole: true },
        { title: "" },
      ],
      rows,
    },
    style,
    width,
  );
}

/** What each uses, with its trend of the last looks. */
export function renderUsage(services: readonly ServiceView[], style: Style, width: number): SafeText {
  const rows = services.map((one): Piece[] => [
    one.name,
    ...usageCells(one),
    one.usage === null ? "" : String(one.usage.processes),
    sparkline(one.cpuTrend, TREND_WIDTH),
    sparkline(one.memoryTrend, TREND_WIDTH),
    one.memoryLimitBytes === null ? "" : formatSize(one.memoryLimitBytes),
  ]);
  return renderTable(
    {
      columns: [
        { title: "NAME", keepWhole: true },
        { title: "CPU", align: "right", keepWhole: true },
        { title: "MEMORY", align: "right", keepWhole: true },
        { title: "PROCESSES", align: "right", keepWhole: true },
        { title: "CPU TREND" },
        { title: "MEMORY TREND" },
        { title: "LIMIT", align: "right", keepWhole: true },
      ],
      rows,
    },
    style,
    width,
  );
}

const TREND_WIDTH = 20;

const usageCells = ({ usage }: ServiceView): [string, string] =>
  usage === null ? ["", ""] : [formatShare(usage.cpus), formatSize(usage.residentBytes)];

/** Processors as percent of one: "150 %" is one and a half; unknown is "?". */
export const formatShare = (cpus: number | null): string =>
  cpus === null ? "?" : `${(cpus * 100).toFixed(cpus < 0.1 ? 1 : 0)} %`;

/** What is to be said beside the figures: when it comes back, why it is not there. */
export function lastWords(one: ServiceView): string {
  const words: string[] = [];
  if (one.awaits.length > 0) words.push(describeAwaited(one.awaits));
  if (one.againInMs !== null) words.push(`again in ${formatDuration(one.againInMs)}`);
  if (one.state !== "running" && one.state !== "stopped" && one.lastEnd !== null)
    words.push(one.lastEnd.text);
  if (one.outdated) words.push("started with another definition");
  return words.join(", ");
}
