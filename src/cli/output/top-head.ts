/** The head of `fleetd top`: the machine, the monitor and its remote, the queue, the fleet. */
import { formatDuration } from "../../base/duration.ts";
import { formatSize } from "../../base/size.ts";
import { type Verdict, worstOf } from "../../fleet/health/model.ts";
import type { PresenceState } from "../../fleet/messaging/presence.ts";
import type { ServiceView } from "../../fleet/supervisor/service-view.ts";
import type { TopData, TopMachine, TopMonitor, TopPeer, TopQueue } from "../top/top-model.ts";
import { clip, fitPieces, gauge, joinPieces, spread, widthOf } from "./line-pieces.ts";
import { formatRelativeTime } from "./relative-time.ts";
import { type Piece, type SafeText, safe } from "./safe-text.ts";
import { sparkline } from "./sparkline.ts";
import type { Style } from "./style.ts";
import { lightOf, paintVerdict } from "./verdict.ts";

/** How large it is drawn. */
export interface HeadSize {
  readonly width: number;
  readonly style: Style;
}

const GAP = "   ";
const BUSY = 0.75;
const FULL = 0.9;
const LABEL_WIDTH = 8;

/** The lines of the head: five, or two where `isShort`. */
export function renderTopHead(data: TopData, size: HeadSize, isShort: boolean): readonly SafeText[] {
  const { width, style } = size;
  const label = (text: string): SafeText => style.dim(text.padEnd(LABEL_WIDTH));
  if (isShort) {
    const facts = [
      queueWords(data.queue, data.nowWallMs, style),
      peersShort(data.peers, style),
      remoteShort(data.monitor, style),
      ...machineShort(data.machine, style),
    ];
    return [titleLine(data, size), safe` ${fitPieces(facts, " · ", width - 1)}`];
  }
  const room = width - LABEL_WIDTH - 1;
  return [
    titleLine(data, size),
    safe` ${label("machine")}${fitPieces(machineLong(data.machine, style, width), GAP, room)}`,
    safe` ${label("remote")}${fitPieces(remoteLong(data.monitor, data.nowWallMs, style), " · ", room)}`,
    safe` ${label("queue")}${clip(queueWords(data.queue, data.nowWallMs, style), room)}`,
    safe` ${label("fleet")}${peersLong(data.peers, style, room)}`,
  ];
}

function titleLine(
  { nowWallMs, server, monitor, lost, services }: TopData,
  { width, style }: HeadSize,
): SafeText {
  const clock = style.dim(new Date(nowWallMs).toTimeString().slice(0, 8));
  const name = safe` ${style.bold(server)}`;
  if (lost !== null) {
    const since = formatDuration(Math.max(0, nowWallMs - lost.sinceWallMs));
    const words = style.red(`✗ no monitor answers for ${since}, trying again; what is shown is old`);
    return spread(joinPieces([name, words], "  "), clock, width);
  }
  if (monitor === null) return spread(name, clock, width);
  const { startedWallMs, version, pid } = monitor;
  const failing = services.find(({ state }) => state === "crash-loop") ?? services.find(isBad);
  // The monitor judges every other minute, and services are seen to fail here at once.
  const ofServices = verdictOf(failing?.state);
  const verdict = monitor.verdict === null ? null : worstOf([monitor.verdict, ofServices]);
  const problem =
    failing === undefined || (monitor.verdict === "critical" && ofServices === "warn")
      ? monitor.problem
      : `${failing.name} ${failing.state}`;
  const health =
    verdict === null
      ? "not judged yet"
      : safe`${lightOf(verdict, style)} ${paintVerdict(verdict, verdict === "ok" ? "all is well" : `${verdict}${problem === null ? "" : `: ${problem}`}`, style)}`;
  const up = style.dim(
    `monitor up ${formatDuration(Math.max(0, nowWallMs - startedWallMs))}, pid ${pid}, fleetd ${version}`,
  );
  const room = width - widthOf(clock) - 2;
  return spread(fitPieces([name, health, up], "  ", room), clock, width);
}

const isBad = ({ state }: ServiceView): boolean => state === "failed" || state === "unready";

function verdictOf(state: ServiceView["state"] | undefined): Verdict {
  if (state === undefined) return "ok";
  return state === "crash-loop" ? "critical" : "warn";
}

const paintShare = (share: number, text: string, style: Style): SafeText =>
  share >= FULL ? style.red(text) : share >= BUSY ? style.yellow(text) : style.green(text);

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const memoryShare = ({ memory }: TopMachine): number | null =>
  memory === null || memory.totalBytes <= 0 ? null : 1 - memory.availableBytes / memory.totalBytes;

function machineShort(machine: TopMachine, style: Style): Piece[] {
  const busy = machine.busyTrend.at(-1);
  const memory = memoryShare(machine);
  return [
    busy === undefined ? "" : safe`cpu ${paintShare(busy, percent(busy), style)}`,
    memory === null ? "" : safe`mem ${paintShare(memory, percent(memory), style)}`,
    machine.load === null ? "" : `load ${machine.load[0]?.toFixed(2) ?? ""}`,
  ];
}

function machineLong(machine: TopMachine, style: Style, width: number): Piece[] {
  const { busyTrend, cores, load, memory } = machine;
  const trendWidth = width >= 120 ? 30 : 10;
  const barWidth = width >= 120 ? 20 : 10;
  const busy = busyTrend.at(-1);
  const share = memoryShare(machine);
  const unit = cores === 1 ? "cpu" : "cpus";
  return [
    busy === undefined
      ? `${cores} ${unit}`
      : safe`${style.green(sparkline(busyTrend.slice(-trendWidth), trendWidth, 1).padStart(trendWidth))} ${paintShare(busy, percent(busy).padStart(5), style)} of ${cores} ${unit}`,
    share === null || memory === null
      ? ""
      : safe`${paintShare(share, gauge(share, barWidth), style)} ${formatSize(memory.totalBytes - memory.availableBytes)} of ${formatSize(memory.totalBytes)}`,
    load === null ? "" : `load ${load.map((one) => one.toFixed(2)).join(" ")}`,
  ];
}

function remoteShort(monitor: TopMonitor | null, style: Style): Piece {
  if (monitor === null) return "";
  return monitor.trouble === null && monitor.breaker === "closed"
    ? safe`remote ${style.green("●")}`
    : safe`remote ${style.red("✗")}`;
}

function remoteLong(monitor: TopMonitor | null, nowWallMs: number, style: Style): Piece[] {
  if (monitor === null) return [style.dim("unknown")];
  const { trouble, breaker, lastFetchWallMs, lastPushWallMs } = monitor;
  const ago = (wallMs: number | null): string =>
    wallMs === null ? "never" : formatRelativeTime(wallMs, nowWallMs);
  return [
    trouble === null ? safe`${style.green("●")} reachable` : safe`${style.red(`✗ ${trouble}`)}`,
    breaker === "closed" ? "" : style.red(`breaker ${breaker}`),
    `fetched ${ago(lastFetchWallMs)}`,
    `pushed ${ago(lastPushWallMs)}`,
  ];
}

function queueWords(queue: TopQueue | null, nowWallMs: number, style: Style): Piece {
  if (queue === null) return safe`queue ${style.yellow("unknown")}`;
  const { waiting, oldestWallMs, dead } = queue;
  const lost = dead === 0 ? safe`` : safe`, ${style.red(`${dead} dead`)}`;
  if (waiting === 0) return safe`nothing waits${lost}`;
  const oldest =
    oldestWallMs === null ? "" : `, the oldest for ${formatDuration(Math.max(0, nowWallMs - oldestWallMs))}`;
  return safe`${style.yellow(`${waiting} to be sent`)}${oldest}${lost}`;
}

/** A light that can be told apart without colours, too. */
const LIGHTS: Readonly<
  Record<PresenceState, { readonly mark: string; readonly paint: "green" | "yellow" | "red" | "dim" }>
> = {
  online: { mark: "●", paint: "green" },
  quiet: { mark: "◐", paint: "yellow" },
  silent: { mark: "○", paint: "red" },
  unknown: { mark: "?", paint: "dim" },
};

const onlineOf = (peers: readonly TopPeer[]): number =>
  peers.filter(({ presence }) => presence === "online").length;

function peersShort(peers: readonly TopPeer[] | null, style: Style): Piece {
  if (peers === null || peers.length === 0) return "";
  const online = onlineOf(peers);
  const text = `${online}/${peers.length}`;
  return safe`fleet ${online === peers.length ? style.green(text) : style.yellow(text)}`;
}

function peersLong(peers: readonly TopPeer[] | null, style: Style, width: number): SafeText {
  if (peers === null) return safe`${style.yellow("unknown")}`;
  if (peers.length === 0) return safe`no other server yet`;
  const online = onlineOf(peers);
  const words = `${online} of ${peers.length} online`;
  const head = online === peers.length ? style.green(words) : style.yellow(words);
  // Who is missing is the news.
  const names = peers
    .toSorted((one, other) => ORDER.indexOf(one.presence) - ORDER.indexOf(other.presence))
    .map(({ server, presence }) => {
      const { mark, paint } = LIGHTS[presence];
      const name = presence === "online" ? server : `${server} ${presence}`;
      return safe`${style[paint](mark)} ${name}`;
    });
  const shown: SafeText[] = [];
  let used = widthOf(head) + MORE_WIDTH;
  for (const name of names) {
    used += widthOf(name) + GAP.length;
    if (used > width) break;
    shown.push(name);
  }
  const more = names.length - shown.length;
  return clip(joinPieces([head, ...shown, more === 0 ? "" : style.dim(`+${more}`)], GAP), width);
}

const ORDER: readonly PresenceState[] = ["silent", "quiet", "unknown", "online"];
/** Room for "+100" behind the names. */
const MORE_WIDTH = 6;
