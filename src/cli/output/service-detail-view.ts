/** One service in detail: how it is first, then what it is, what it did, and what it said. */
import { formatDuration } from "../../base/duration.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import { formatSize } from "../../base/size.ts";
import type { ServiceDetail, ShownProbe, ShownProcess } from "../../fleet/supervisor/service-detail.ts";
import { describeAwaited } from "../../fleet/supervisor/service-view.ts";
import { clip, joinPieces, rule } from "./line-pieces.ts";
import { renderServiceLine } from "./log-view.ts";
import { formatRelativeTime } from "./relative-time.ts";
import { joinLines, type Piece, type SafeText, safe } from "./safe-text.ts";
import { formatShare, paintState } from "./service-table.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { wrap } from "./wrap.ts";

/** What the page is drawn with. */
export interface DetailPage {
  readonly nowWallMs: number;
  /** How trees of processes are held together here. */
  readonly containment: string;
  /** What cannot be kept here, such as limits. */
  readonly notes: readonly string[];
  readonly style: Style;
  readonly width: number;
}

const LABEL_WIDTH = 11;
const TREND_WIDTH = 20;
/** More processes than this are counted; `--json` has all. */
const PROCESSES_MAX = 10;
const CPU_FULL_MIN = 0.1;

/** The page of one instance. */
export function renderServiceDetail(
  detail: ServiceDetail,
  log: readonly ServiceLine[],
  page: DetailPage,
): SafeText {
  const { style, width } = page;
  const facts = [
    ...stateFacts(detail, page),
    ...usageFacts(detail, style),
    ...limitFacts(detail, page),
    ...definitionFacts(detail),
  ];
  const lines: SafeText[] = [headline(detail, page)];
  for (const [label, value] of facts) {
    lines.push(wrap(value, { first: safe`  ${style.dim(label.padEnd(LABEL_WIDTH))}`, width }));
  }
  lines.push(...probeLines(detail.probes, page), ...processLines(detail, page));
  lines.push(rule(style.bold("log"), "", width, style));
  if (log.length === 0) lines.push(safe`  ${style.dim("nothing was written yet")}`);
  for (const line of log) lines.push(clip(renderServiceLine(line, null, style), width));
  return joinLines(lines);
}

function headline({ view, sinceWallMs }: ServiceDetail, { nowWallMs, style, width }: DetailPage): SafeText {
  const light = view.ready ? style.green("●") : safe`●`;
  const since = sinceWallMs === null ? "" : `since ${formatRelativeTime(sinceWallMs, nowWallMs)}`;
  const again = view.againInMs === null ? "" : `again in ${formatDuration(view.againInMs)}`;
  const words = joinPieces([paintState(view.state, style), since, again], ", ");
  const next = view.successor ? style.dim(" (next)") : "";
  return wrap(safe`${style.bold(view.name)}${next} ${words}`, { first: safe`${light} `, width });
}

type Fact = readonly [string, Piece];

/** What there is nothing to say of is left out. */
const known = (facts: readonly (readonly [string, Piece | null])[]): Fact[] =>
  facts.flatMap(([label, value]) => (value === null || value === "" ? [] : [[label, value] as const]));

function stateFacts(
  { view, ends, isEnabled }: ServiceDetail,
  { nowWallMs, containment }: DetailPage,
): Fact[] {
  const started =
    view.startedWallMs === null ? "" : `, started ${formatRelativeTime(view.startedWallMs, nowWallMs)}`;
  const policy = `restart ${view.policy}, ${view.restarts} since a person started it`;
  return known([
    ["blocked", view.awaits.length === 0 ? null : describeAwaited(view.awaits)],
    ["pid", view.pid === null ? null : `${view.pid}${started}, held together by ${containment}`],
    ["restarts", policy],
    ...ends.map(
      ({ text, atWallMs }, at) =>
        [at === 0 ? "ended" : "", safe`${formatRelativeTime(atWallMs, nowWallMs)}: ${text}`] as const,
    ),
    ["wanted", view.wanted ? null : `stopped by a person${isEnabled ? "" : ", and not started by itself"}`],
    ["outdated", view.outdated ? "runs with an earlier definition: fleetd restart makes it new" : null],
  ]);
}

function usageFacts({ view, limits }: ServiceDetail, style: Style): Fact[] {
  const { usage, cpuTrend, memoryTrend } = view;
  const allowed = (text: string | null): string => (text === null ? "" : ` of ${text}`);
  const cpus = limits.cpus === null ? null : `${limits.cpus} cpus`;
  const memory = limits.memoryBytes === null ? null : formatSize(limits.memoryBytes);
  if (usage === null) {
    const both = [
      memory === null ? "" : `memory ${memory}`,
      cpus ?? "",
      limits.pids === null ? "" : `${limits.pids} processes`,
    ];
    return known([["limits", both.filter((one) => one !== "").join(", ")]]);
  }
  const cpuBars = sparkline(cpuTrend.slice(-TREND_WIDTH), TREND_WIDTH, CPU_FULL_MIN);
  const memoryBars = sparkline(memoryTrend.slice(-TREND_WIDTH), TREND_WIDTH, limits.memoryBytes ?? 0);
  return [
    ["cpu", safe`${formatShare(usage.cpus)}${allowed(cpus)}  ${style.green(cpuBars)}`],
    ["memory", safe`${formatSize(usage.residentBytes)}${allowed(memory)}  ${style.cyan(memoryBars)}`],
    ["processes", `${usage.processes}${allowed(limits.pids === null ? null : String(limits.pids))}`],
  ];
}

/** That a limit is not kept is worth knowing where one is asked for; memory is kept by looking at it. */
function limitFacts({ limits, view }: ServiceDetail, { notes }: DetailPage): Fact[] {
  const isAsked = limits.cpus !== null || limits.pids !== null;
  return known([["", view.usage !== null && isAsked ? notes.join("; ") : null]]);
}

function definitionFacts(detail: ServiceDetail): Fact[] {
  const { view, dependsOn, listeners, stop, user, group, variables, envFiles, image } = detail;
  const words = view.command.map((word) => (detail.isShell ? word : quoted(word))).join(" ");
  const addresses = new Set(
    listeners.map(({ protocol, address, port }) => {
      const host = address.includes(":") ? `[${address}]` : address;
      return `${protocol} ${host}:${port}`;
    }),
  );
  return known([
    ["listens", [...addresses].join(", ")],
    ["image", image],
    ["command", detail.isShell ? `shell: ${words}` : words],
    ["folder", detail.cwd ?? "the home folder of its user"],
    ["user", joinPieces([user ?? "as the monitor", group === null ? "" : `group ${group}`], ", ")],
    ["groups", view.groups.map((one) => `@${one}`).join(" ")],
    ["needs", dependsOn.map(({ name, condition }) => `${name} ${condition}`).join(", ")],
    ["variables", variables.join(" ")],
    ["env files", envFiles.join(", ")],
    ["stop", `${stop.signal}, by force after ${formatDuration(stop.timeoutMs)}`],
    ["defined", view.origin === "given" ? "by command (fleetd start)" : "in the configuration"],
  ]);
}

/** As a shell would take it, so that one word is not read as two. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

function probeLines(probes: readonly ShownProbe[], { style, width }: DetailPage): SafeText[] {
  return probes.map(({ name, target, intervalMs, isWell, detail }) => {
    const mark =
      isWell === null ? style.dim("not asked yet") : isWell ? style.green("well") : style.red("not well");
    const said = detail === null ? "" : safe`: ${detail}`;
    const asks = safe`${target}, every ${formatDuration(intervalMs)}`;
    return wrap(safe`${mark}${said} ${style.dim(safe`(${asks})`)}`, {
      first: safe`  ${style.dim(name.padEnd(LABEL_WIDTH))}`,
      width,
    });
  });
}

function processLines({ processes }: ServiceDetail, { style, width }: DetailPage): SafeText[] {
  if (processes.length === 0) return [];
  const rows = inTree(processes)
    .slice(0, PROCESSES_MAX)
    .map(({ process: { pid, name, cpuMs, residentBytes }, depth }) => [
      String(pid),
      cpuMs === null ? "unknown" : formatDuration(cpuMs),
      residentBytes === null ? "unknown" : formatSize(residentBytes),
      `${"  ".repeat(depth)}${name}`,
    ]);
  const columns = [
    { title: "    PID", align: "right", keepWhole: true },
    { title: "CPU TIME", align: "right", keepWhole: true },
    { title: "MEMORY", align: "right", keepWhole: true },
    { title: "PROCESS" },
  ] as const;
  const more = processes.length - PROCESSES_MAX;
  return [
    renderTable({ columns, rows }, style, width),
    ...(more > 0 ? [safe`  ${style.dim(`… and ${more} more`)}`] : []),
  ];
}

interface Placed {
  readonly process: ShownProcess;
  readonly depth: number;
}

/** Children below their parents; what lost its parent stands at the margin. */
function inTree(processes: readonly ShownProcess[]): readonly Placed[] {
  const pids = new Set(processes.map(({ pid }) => pid));
  const below = (parent: ShownProcess | null, depth: number): Placed[] =>
    processes
      .filter((one) => (parent === null ? !pids.has(one.parent) : one.parent === parent.pid))
      .flatMap((process) => [{ process, depth }, ...below(process, Math.min(depth + 1, DEPTH_MAX))]);
  return below(null, 0);
}

const DEPTH_MAX = 8;
