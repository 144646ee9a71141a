/** The table of services in `fleetd top`: as many columns as fit, the most needed ones first. */
import { formatDuration } from "../../base/duration.ts";
import { formatSize } from "../../base/size.ts";
import type { ServiceView } from "../../fleet/supervisor/service-view.ts";
import type { SortKey } from "../top/top-model.ts";
import { cell, widthOf } from "./line-pieces.ts";
import { type Piece, SafeText, safe } from "./safe-text.ts";
import { formatShare, lastWords, paintState } from "./service-table.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";

/** How the table is drawn. */
export interface TopTable {
  readonly width: number;
  readonly style: Style;
  readonly nowWallMs: number;
  readonly sort: SortKey;
  readonly isReversed: boolean;
  readonly selected: string | null;
}

interface TopColumn {
  readonly title: string;
  readonly sort?: SortKey;
  readonly width: number;
  readonly align?: "right";
  /** Columns of a lower number are kept when there is no room for all. */
  readonly rank: number;
  /** Takes what room is left. */
  readonly isLast?: boolean;
  readonly of: (one: ServiceView) => Piece;
}

/** From this width on there is room for spaces and units. */
const WIDE = 100;
const NAME_WIDTH_MIN = 10;
/** A bar of processor time is full from a tenth of a processor on, so that an idle service looks idle. */
const CPU_FULL_MIN = 0.1;
/** Memory that stays the same is not to look like the most there can be. */
const MEMORY_HEADROOM = 1.5;
/** Where it is close to its limit. Chosen. */
const LIMIT_NEAR = 0.9;

/** Header and rows, each `width` columns wide at most. */
export function renderTopServices(services: readonly ServiceView[], table: TopTable): readonly SafeText[] {
  const columns = chooseColumns(services, table);
  const gap = gapOf(table.width);
  const lineOf = (mark: string, cells: readonly SafeText[]): SafeText =>
    new SafeText(mark + cells.map(String).join(gap));
  const header = columns.map((column) => cell(titleOf(column, table), column.width, column.align));
  const rows = services.map((one) => {
    const isSelected = one.name === table.selected;
    const line = lineOf(
      isSelected ? "▸ " : "  ",
      columns.map((column) => cell(column.of(one), column.width, column.align)),
    );
    return isSelected ? table.style.inverse(cell(line, table.width)) : line;
  });
  return [table.style.dim(lineOf("  ", header)), ...rows];
}

const gapOf = (width: number): string => (width < WIDE ? " " : "  ");

function titleOf({ title, sort }: TopColumn, table: TopTable): string {
  if (sort !== table.sort) return title;
  const isFalling = (sort !== "name") !== table.isReversed;
  return `${title}${isFalling ? "▾" : "▴"}`;
}

function chooseColumns(services: readonly ServiceView[], table: TopTable): readonly TopColumn[] {
  const { width } = table;
  const columns = allColumns(services, table);
  const gap = gapOf(width).length;
  let room = width - MARK_WIDTH + gap;
  const kept = new Set<TopColumn>();
  for (const column of columns.toSorted((one, other) => one.rank - other.rank)) {
    const needed = column.width + gap;
    if (needed > room) break;
    kept.add(column);
    room -= needed;
  }
  // What is left over goes to the last words, which are as long as they are.
  return columns
    .filter((column) => kept.has(column))
    .map((column) => (column.isLast === true ? { ...column, width: column.width + room } : column));
}

const MARK_WIDTH = 2;

function allColumns(services: readonly ServiceView[], { width, style, nowWallMs }: TopTable): TopColumn[] {
  const isWide = width >= WIDE;
  const longest = Math.max(...services.map((one) => widthOf(nameOf(one, style))), 0);
  const nameMax = Math.max(NAME_WIDTH_MIN, Math.floor(width / 4));
  const trendWidth = width >= 1.6 * WIDE ? 20 : isWide ? 10 : 8;
  const size = (bytes: number): string => (isWide ? formatSize(bytes) : shortSize(bytes));
  const age = (ms: number): string => (isWide ? formatDuration(ms) : shortDuration(ms));
  const right = { align: "right" } as const;
  return [
    {
      title: "NAME",
      sort: "name",
      width: Math.min(nameMax, Math.max(NAME_WIDTH_MIN, longest)),
      rank: 0,
      of: (one) => nameOf(one, style),
    },
    { title: "STATE", width: 10, rank: 1, of: ({ state }) => paintState(state, style) },
    { title: "PID", ...right, width: 7, rank: 6, of: ({ pid }) => (pid === null ? "" : String(pid)) },
    {
      title: "CPU",
      ...right,
      sort: "cpu",
      width: isWide ? 6 : 5,
      rank: 2,
      of: ({ usage }) => (usage === null ? "" : share(usage.cpus, isWide)),
    },
    {
      title: "",
      width: trendWidth,
      rank: 7,
      of: ({ cpuTrend }) => style.green(trend(cpuTrend, trendWidth, CPU_FULL_MIN)),
    },
    {
      title: "MEMORY",
      ...right,
      sort: "memory",
      width: isWide ? 10 : 7,
      rank: 3,
      of: (one) => memoryOf(one, size, style),
    },
    {
      title: "",
      width: trendWidth,
      rank: 8,
      of: ({ memoryTrend, memoryLimitBytes }) =>
        style.cyan(
          trend(
            memoryTrend,
            trendWidth,
            memoryLimitBytes ?? Math.max(0, ...memoryTrend.slice(-trendWidth)) * MEMORY_HEADROOM,
          ),
        ),
    },
    {
      title: "UP",
      ...right,
      width: isWide ? 10 : 6,
      rank: 5,
      of: ({ startedWallMs }) => (startedWallMs === null ? "" : age(Math.max(0, nowWallMs - startedWallMs))),
    },
    {
      title: isWide ? "RESTARTS" : "RST",
      ...right,
      sort: "restarts",
      width: isWide ? 9 : 4,
      rank: 4,
      of: ({ restarts }) => (restarts === 0 ? "" : style.yellow(String(restarts))),
    },
    { title: "", width: 12, rank: 9, isLast: true, of: (one) => style.dim(lastWords(one)) },
  ];
}

const nameOf = (one: ServiceView, style: Style): Piece =>
  one.successor ? safe`${one.name} ${style.dim("(next)")}` : one.name;

function memoryOf(
  { usage, memoryLimitBytes }: ServiceView,
  size: (bytes: number) => string,
  style: Style,
): Piece {
  if (usage === null) return "";
  const text = size(usage.residentBytes);
  const isNear = memoryLimitBytes !== null && usage.residentBytes >= LIMIT_NEAR * memoryLimitBytes;
  return isNear ? style.red(text) : text;
}

const share = (cpus: number | null, isWide: boolean): string =>
  isWide ? formatShare(cpus) : formatShare(cpus).replace(" ", "");

const shortSize = (bytes: number): string =>
  formatSize(bytes)
    .replace(/ ([KMGT])iB$/, "$1")
    .replace(" B", "B");

/** `2h5m`: at most six columns for a century. */
const shortDuration = (durationMs: number): string =>
  formatDuration(durationMs).replaceAll(" ", "").replace("min", "m");

const trend = (values: readonly number[], width: number, fullMin: number): string =>
  sparkline(values.slice(-width), width, fullMin).padStart(width);
