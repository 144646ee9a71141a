/**
 * What `fleetd top` shows and where somebody is in it. Everything here is a value: keys make another one, drawing is
 * elsewhere, and so is whatever finds things out.
 */
import type { MemorySpace } from "../../base/ports/machine.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import type { Verdict } from "../../fleet/health/model.ts";
import type { PresenceState } from "../../fleet/messaging/presence.ts";
import type { ServiceView } from "../../fleet/supervisor/service-view.ts";
import type { Key } from "./keys.ts";

/** What services are put in order by. */
export const SORT_KEYS = ["name", "cpu", "memory", "restarts"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** Where somebody is: what is chosen, and which page is open. */
export interface TopState {
  /** The name of an instance; null, or one that is not there: the first one. */
  readonly selected: string | null;
  readonly sort: SortKey;
  readonly isReversed: boolean;
  readonly filter: string;
  /** Whether the filter is being typed. */
  readonly isTyping: boolean;
  readonly page: "list" | "log" | "help";
  /** Lines of the log below the page; 0: its end, which moves on. */
  readonly logUp: number;
  /** Columns of the log left of the page. */
  readonly logRight: number;
}

/** How it begins. */
export const TOP_START: TopState = {
  selected: null,
  sort: "name",
  isReversed: false,
  filter: "",
  isTyping: false,
  page: "list",
  logUp: 0,
  logRight: 0,
};

/** What waits to be sent. */
export interface TopQueue {
  readonly waiting: number;
  readonly oldestWallMs: number | null;
  readonly dead: number;
}

/** Another server. */
export interface TopPeer {
  readonly server: string;
  readonly presence: PresenceState;
}

/** What the monitor says of itself and its remote; texts are hostile. */
export interface TopMonitor {
  readonly version: string;
  readonly pid: number;
  readonly startedWallMs: number;
  /** What it made of everything but the services, which are judged here; null before it did. */
  readonly verdict: Verdict | null;
  /** What it would look at first. */
  readonly problem: string | null;
  readonly lastFetchWallMs: number | null;
  readonly lastPushWallMs: number | null;
  readonly trouble: string | null;
  readonly breaker: "closed" | "open" | "half-open";
}

/** The machine. Null is unknown. */
export interface TopMachine {
  readonly cores: number;
  /** Of the last 1, 5 and 15 minutes; null where the system has no such thing. */
  readonly load: readonly number[] | null;
  /** Share of all processors in use, at the last looks, oldest first. */
  readonly busyTrend: readonly number[];
  readonly memory: Pick<MemorySpace, "availableBytes" | "totalBytes"> | null;
}

/** Everything that was found out. Instants are wall ms. */
export interface TopData {
  readonly nowWallMs: number;
  readonly server: string;
  /** As it answered last. */
  readonly monitor: TopMonitor | null;
  /** Since when no monitor answers; what else is here is then old. */
  readonly lost: { readonly sinceWallMs: number; readonly why: string } | null;
  readonly services: readonly ServiceView[];
  /** Null: they cannot be read. */
  readonly queue: TopQueue | null;
  readonly peers: readonly TopPeer[] | null;
  readonly machine: TopMachine;
}

/** What is drawn. */
export interface TopView {
  readonly data: TopData;
  readonly state: TopState;
  /** The last lines of the chosen one, oldest first. */
  readonly log: readonly ServiceLine[];
}

/** What somebody sees, as far as keys depend on it. */
export interface Seen {
  /** Names of the instances in the order of the screen. */
  readonly names: readonly string[];
  /** How many of them fit. */
  readonly rows: number;
  readonly logRows: number;
  readonly logLines: number;
}

/** The instances that the filter leaves, in the order that is chosen. */
export function chooseServices(
  services: readonly ServiceView[],
  { filter, sort, isReversed }: Pick<TopState, "filter" | "sort" | "isReversed">,
): readonly ServiceView[] {
  const wanted = filter.toLowerCase();
  const found = services.filter((one) => wanted === "" || wordsOf(one).includes(wanted));
  const ordered = found.toSorted((left, right) => ORDERS[sort](left, right) || byName(left, right));
  return isReversed ? ordered.reverse() : ordered;
}

/** The instance that is chosen among those that are shown. */
export const selectedOf = (
  services: readonly ServiceView[],
  { selected }: Pick<TopState, "selected">,
): ServiceView | null => services.find(({ name }) => name === selected) ?? services[0] ?? null;

/** What a key makes of it: another state, or the end. */
export function pressKey(state: TopState, key: Key, seen: Seen): TopState | "quit" {
  if (key.kind === "ctrl-c") return "quit";
  if (state.isTyping) return typeFilter(state, key);
  const word = key.kind === "text" ? key.text : key.kind;
  if (word === "q") return state.page === "help" ? { ...state, page: "list" } : "quit";
  if (state.page === "help") return { ...state, page: "list" };
  const deed = DEEDS[word];
  if (deed !== undefined) return deed(state);
  const sort = SORTS[word];
  if (sort !== undefined) return { ...state, sort, isReversed: state.sort === sort && !state.isReversed };
  return state.page === "log" ? moveInLog(state, word, seen) : moveInList(state, word, seen);
}

const ORDERS: Readonly<Record<SortKey, (left: ServiceView, right: ServiceView) => number>> = {
  name: () => 0,
  cpu: (left, right) => (right.usage?.cpus ?? -1) - (left.usage?.cpus ?? -1),
  memory: (left, right) => (right.usage?.residentBytes ?? -1) - (left.usage?.residentBytes ?? -1),
  restarts: (left, right) => right.restarts - left.restarts,
};

const names = new Intl.Collator("en", { numeric: true });
const byName = (left: ServiceView, right: ServiceView): number =>
  names.compare(left.name, right.name) || Number(left.successor) - Number(right.successor);

const wordsOf = ({ name, state, groups, command }: ServiceView): string =>
  [name, state, ...groups, ...command].join(" ").toLowerCase();

const SORTS: Readonly<Record<string, SortKey>> = { c: "cpu", m: "memory", n: "name", r: "restarts" };

const turnPage = (state: TopState): TopState =>
  state.page === "log" ? leaveLog(state) : { ...state, page: "log", logUp: 0, logRight: 0 };
const leaveLog = (state: TopState): TopState => ({ ...state, page: "list", logUp: 0, logRight: 0 });

/** Keys that mean the same wherever one is. */
const DEEDS: Readonly<Record<string, (state: TopState) => TopState>> = {
  "?": (state) => ({ ...state, page: "help" }),
  h: (state) => ({ ...state, page: "help" }),
  "/": (state) => ({ ...leaveLog(state), isTyping: true }),
  enter: turnPage,
  tab: turnPage,
  l: turnPage,
  escape: (state) => (state.page === "log" ? leaveLog(state) : { ...state, filter: "" }),
};

/** A filter that is longer is no filter any more. Chosen: a line of a narrow screen. */
const FILTER_LENGTH_MAX = 40;

function typeFilter(state: TopState, key: Key): TopState {
  switch (key.kind) {
    case "text":
      return { ...state, filter: `${state.filter}${key.text}`.slice(0, FILTER_LENGTH_MAX) };
    case "backspace":
      return { ...state, filter: [...state.filter].slice(0, -1).join("") };
    case "ctrl-u":
      return { ...state, filter: "" };
    case "escape":
      return { ...state, filter: "", isTyping: false };
    case "enter":
    case "tab":
    case "up":
    case "down":
      return { ...state, isTyping: false };
    default:
      return state;
  }
}

/** By how much a key moves down; `page` is what fits on the screen. */
function stepOf(word: string, page: number): number | null {
  switch (word) {
    case "down":
    case "j":
      return 1;
    case "up":
    case "k":
      return -1;
    case "page-down":
    case " ":
      return Math.max(1, page - 1);
    case "page-up":
    case "b":
      return -Math.max(1, page - 1);
    case "home":
    case "g":
      return Number.NEGATIVE_INFINITY;
    case "end":
    case "G":
      return Number.POSITIVE_INFINITY;
    default:
      return null;
  }
}

function moveInList(state: TopState, word: string, { names: shown, rows }: Seen): TopState {
  const step = stepOf(word, rows);
  if (step === null || shown.length === 0) return state;
  const at = Math.max(0, shown.indexOf(state.selected ?? ""));
  const next = Math.min(shown.length - 1, Math.max(0, at + step));
  return { ...state, selected: shown[next] ?? null };
}

/** Columns that one key moves a log sideways. */
const SIDEWAYS = 20;
/** A line of a log has at most 64 KiB; nobody reads on here. Chosen. */
const SIDEWAYS_MAX = 4_000;

function moveInLog(state: TopState, word: string, { logRows, logLines }: Seen): TopState {
  if (word === "right") return { ...state, logRight: Math.min(SIDEWAYS_MAX, state.logRight + SIDEWAYS) };
  if (word === "left") return { ...state, logRight: Math.max(0, state.logRight - SIDEWAYS) };
  const step = stepOf(word, logRows);
  if (step === null) return state;
  const highest = Math.max(0, logLines - logRows);
  return { ...state, logUp: Math.min(highest, Math.max(0, state.logUp - step)) };
}
