/**
 * The screen of `fleetd top` as lines: exactly as many as it is high, none wider than it is. Nothing here asks or
 * draws; words of strangers have become visible, so nothing in a line moves a cursor.
 */
import type { ServiceView } from "../../fleet/supervisor/service-view.ts";
import { chooseServices, type Seen, selectedOf, type TopView } from "../top/top-model.ts";
import { clip, fitPieces, rule } from "./line-pieces.ts";
import { renderServiceLine } from "./log-view.ts";
import { type Piece, type SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { renderTopHead } from "./top-head.ts";
import { renderTopServices } from "./top-services.ts";

/** The size of a screen, or of a page that is printed. */
export interface TopSize {
  readonly width: number;
  readonly height: number;
}

/** Lower than this the head has two lines instead of five. Chosen: rows and log keep three lines at least. */
const HEIGHT_SHORT = 18;
const HEAD_LINES = { long: 5, short: 2 };
/** The header of the table, the rule above the log, and the keys. */
const OTHER_LINES = 3;
/** Above the table where there is room. */
const RULE_LINES = 1;
const LOG_LINES_MIN = 2;
/** The table takes at most this part of what is left. */
const TABLE_SHARE = 0.6;

interface Layout {
  readonly isShort: boolean;
  readonly rows: number;
  readonly log: number;
}

function layoutOf(services: number, { height }: TopSize): Layout {
  const isShort = height < HEIGHT_SHORT;
  const fixed = OTHER_LINES + (isShort ? HEAD_LINES.short : HEAD_LINES.long + RULE_LINES);
  const free = Math.max(0, height - fixed);
  const most = Math.max(free - LOG_LINES_MIN, 0);
  const rows = Math.max(1, Math.min(services, most, Math.max(Math.floor(free * TABLE_SHARE), most - 10)));
  return { isShort, rows, log: Math.max(0, free - rows) };
}

/** What somebody sees of `view` on a screen of this size. */
export function seenOf({ data, state, log }: TopView, size: TopSize): Seen {
  const shown = chooseServices(data.services, state);
  const { rows, log: logRows } = layoutOf(shown.length, size);
  return {
    names: shown.map(({ name }) => name),
    rows,
    logRows: state.page === "log" ? logPageRows(size) : logRows,
    logLines: log.length,
  };
}

/** The screen. */
export function renderTop(view: TopView, size: TopSize, style: Style): readonly SafeText[] {
  const lines = pageOf(view, size, style).map((line) => clip(line, size.width));
  const body = lines.slice(0, Math.max(0, size.height - 1));
  while (body.length < size.height - 1) body.push(safe``);
  return [...body, clip(footer(view, size, style), size.width)].slice(-size.height);
}

/** Everything on one page, for whoever does not watch: all services, the last lines of the first one's log. */
export function renderTopPage(view: TopView, width: number, style: Style): readonly SafeText[] {
  const services = chooseServices(view.data.services, view.state);
  return [
    ...renderTopHead(view.data, { width, style }, false),
    servicesRule(view, services, width, style),
    ...table(view, services, { width, style }),
    ...(services.length === 0 ? [] : [logRule(view, services, width, style)]),
    ...(services.length === 0 ? [] : logLines(view, view.log.length, width, style)),
  ].map((line) => clip(line, width));
}

function pageOf(view: TopView, size: TopSize, style: Style): readonly SafeText[] {
  const { width } = size;
  const { data, state } = view;
  if (state.page === "help") return help(style);
  const services = chooseServices(data.services, state);
  if (state.page === "log") {
    return [logRule(view, services, width, style), ...logLines(view, logPageRows(size), width, style)];
  }
  const layout = layoutOf(services.length, size);
  const at = Math.max(0, services.indexOf(selectedOf(services, state) as ServiceView));
  const first = Math.max(0, Math.min(at - Math.floor(layout.rows / 2), services.length - layout.rows));
  return [
    ...renderTopHead(data, { width, style }, layout.isShort),
    ...(layout.isShort ? [] : [servicesRule(view, services, width, style)]),
    ...table(view, services.slice(first, first + layout.rows), { width, style }),
    logRule(view, services, width, style),
    ...logLines(view, layout.log, width, style),
  ];
}

function table(
  { data, state }: TopView,
  shown: readonly ServiceView[],
  { width, style }: { readonly width: number; readonly style: Style },
): readonly SafeText[] {
  if (shown.length > 0) {
    const selected = selectedOf(chooseServices(data.services, state), state)?.name ?? null;
    const { sort, isReversed } = state;
    return renderTopServices(shown, { width, style, nowWallMs: data.nowWallMs, sort, isReversed, selected });
  }
  const words =
    data.services.length === 0
      ? "no services: define some in fleetd.yaml, or fleetd start --name web -- COMMAND"
      : safe`no service fits "${state.filter}"`;
  return [safe`  ${style.dim(words)}`];
}

const WELL: ReadonlySet<ServiceView["state"]> = new Set(["running", "completed", "stopped"]);

function servicesRule(
  { data: { services }, state }: TopView,
  shown: readonly ServiceView[],
  width: number,
  style: Style,
): SafeText {
  const counts = new Map<ServiceView["state"], number>();
  for (const one of services) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
  const running = counts.get("running") ?? 0;
  const others = [...counts].filter(([one]) => one !== "running");
  const words = others.map(([one, count]) => (WELL.has(one) ? style.dim : style.yellow)(`${count} ${one}`));
  const count = `${running} of ${services.length} running`;
  const title = safe`${style.bold("services")} ${fitPieces([count, ...words], ", ", width)}`;
  const filter = state.filter === "" ? "" : safe`${style.cyan(`/${state.filter}`)} ${shown.length} fit`;
  return rule(title, filter, width, style);
}

function logRule(view: TopView, services: readonly ServiceView[], width: number, style: Style): SafeText {
  const selected = selectedOf(services, view.state);
  if (selected === null) return rule(style.bold("log"), "", width, style);
  const { page, logUp, logRight } = view.state;
  const place: Piece[] = [
    page === "log" && logUp > 0 ? style.yellow(`${logUp} more below, waiting`) : "",
    page === "log" && logRight > 0 ? `from column ${logRight + 1}` : "",
  ];
  return rule(safe`${style.bold(selected.name)} log`, fitPieces(place, ", ", width), width, style);
}

const logPageRows = ({ height }: TopSize): number => Math.max(1, height - 2);

function logLines({ log, state }: TopView, count: number, width: number, style: Style): readonly SafeText[] {
  if (log.length === 0) return [safe`  ${style.dim("nothing was written yet")}`];
  const { logUp, logRight } = state.page === "log" ? state : { logUp: 0, logRight: 0 };
  const end = Math.max(Math.min(count, log.length), log.length - logUp);
  return log.slice(Math.max(0, end - count), end).map((line) => {
    // Only what may be seen is made ready: a line may have 64 KiB.
    const text = line.text.slice(logRight, logRight + COLUMN_UNITS_MAX * width);
    return clip(renderServiceLine({ ...line, text }, null, style), width);
  });
}

/** A column of the screen holds at most so many UTF-16 units that matter: a character with its marks. Chosen. */
const COLUMN_UNITS_MAX = 8;

function footer({ state, data }: TopView, { width }: TopSize, style: Style): SafeText {
  if (state.isTyping) {
    return safe` ${style.bold("/")}${state.filter}${style.inverse(" ")} ${style.dim("Enter keeps it, Esc clears it")}`;
  }
  const key = (name: string, what: string): SafeText => safe`${style.bold(name)} ${style.dim(what)}`;
  const common = [key("q", "quit"), key("?", "help")];
  if (state.page === "help")
    return safe` ${fitPieces([key("any key", "back"), key("^C", "quit")], "  ", width - 1)}`;
  if (state.page === "log") {
    const keys = [
      key("Esc", "back"),
      key("↑↓", "scroll"),
      key("←→", "sideways"),
      key("End", "newest"),
      ...common,
    ];
    return safe` ${fitPieces(keys, "  ", width - 1)}`;
  }
  const keys = [
    ...common,
    key("↑↓", "select"),
    key("Enter", "log"),
    key("/", "filter"),
    state.filter === "" ? "" : key("Esc", "all"),
    data.services.length > 1 ? key("c m n r", "sort") : "",
  ];
  return safe` ${fitPieces(keys, "  ", width - 1)}`;
}

const KEYS: readonly (readonly [string, string])[] = [
  ["↑ ↓  j k", "choose a service, scroll its log"],
  ["PgUp PgDn", "a page of them"],
  ["Home End", "the first, the last"],
  ["Enter Tab", "the log, on the whole screen; again: back"],
  ["← →", "the log sideways"],
  ["/", "filter by name, state, group, command"],
  ["Esc", "all services again; back"],
  ["c m n r", "sort by cpu, memory, name, restarts; again: reversed"],
  ["^L", "draw everything anew"],
  ["q  ^C", "quit; everything runs on"],
];

const KEY_WIDTH = 11;

const help = (style: Style): readonly SafeText[] => [
  safe` ${style.bold("fleetd top")}`,
  ...KEYS.map(([keys, what]) => safe` ${style.cyan(keys.padEnd(KEY_WIDTH))}${what}`),
];
