import type { ServicesFacts, Verdict } from "../../fleet/health/model.ts";
import { isRefused } from "../../fleet/messaging/trust-view.ts";
import { TRUST_WORDS } from "../actions/trust-list.ts";
import type { OwnFacts, StatusPage, StatusPeer } from "../status-page.ts";
import { formatRelativeTime } from "./relative-time.ts";
import { joinLines, type Piece, type SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { lightOf, paintVerdict, renderProblem } from "./verdict.ts";
import { wrap } from "./wrap.ts";

/** More problems than this do not fit before what else is on the page; `doctor` and `--json` have all. */
const PROBLEMS_SHOWN = 5;

const NAME_WIDTH = 9;

/** The page for people: what is wrong and what to do about it first, then everything else; nothing wider than `width`. */
export function renderStatus(page: StatusPage, style: Style, width: number): SafeText {
  const { own } = page;
  const lines: SafeText[] = [...headline(page, style, width), ...furtherProblems(page, style, width)];
  if (own === null) return joinLines(lines);
  const ago = (wallMs: number | null): string =>
    wallMs === null ? "never" : formatRelativeTime(wallMs, page.nowWallMs);
  for (const [name, value] of factsOf(page, own, ago)) {
    lines.push(wrap(value, { first: safe`  ${style.dim(name.padEnd(NAME_WIDTH))}`, width }));
  }
  return joinLines([...lines, renderPeers(own.peers, ago, { style, width })]);
}

/** The first line says how it is and what is wrong, the next one what to do. */
function headline({ verdict, problems, own }: StatusPage, style: Style, width: number): SafeText[] {
  const [first] = problems;
  if (first === undefined) {
    const peers = own?.peers ?? [];
    const there = peers.filter((peer) => peer.presence === "online").length;
    const words = `all is well${peers.length === 0 ? "" : `, ${there} of ${peers.length} other servers online`}`;
    return [wrap(paintVerdict("ok", words, style), { first: paintVerdict("ok", "● ", style), width })];
  }
  const light = paintVerdict(verdict, "● ", style);
  return [
    wrap(safe`${paintVerdict(verdict, `${verdict}: `, style)}${first.evidence}`, { first: light, width }),
    wrap(style.bold(first.fix), { first: safe`  ${style.dim("→")} `, width }),
  ];
}

function furtherProblems({ problems }: StatusPage, style: Style, width: number): SafeText[] {
  const further = problems.slice(1);
  const shown = further.slice(0, PROBLEMS_SHOWN);
  const lines = shown.map((problem) => {
    // What helps is said once where several troubles have the same cure.
    const isSaid = problems.slice(0, problems.indexOf(problem)).some((other) => other.fix === problem.fix);
    return renderProblem({ ...problem, fix: isSaid ? null : problem.fix }, style, width);
  });
  const more = further.length - shown.length;
  return more === 0 ? lines : [...lines, safe`  ${style.dim(`… and ${more} more: fleetd doctor`)}`];
}

function factsOf(
  { daemon }: StatusPage,
  own: OwnFacts,
  ago: (wallMs: number | null) => string,
): (readonly [string, Piece])[] {
  const { queue } = own;
  const waits =
    queue.waiting === 0
      ? "nothing waits"
      : `${queue.waiting} waiting, the oldest since ${ago(queue.oldestWallMs)}`;
  const lost = [...counted(queue.dead, "dead"), ...counted(queue.expired, "expired")];
  const breaker = own.breaker === null ? "" : `, breaker ${own.breaker}`;
  const running =
    daemon === null
      ? "not running"
      : `pid ${daemon.pid}, started ${ago(daemon.startedWallMs)}, fleetd ${daemon.version}`;
  return [
    ["server", own.server],
    ["inbox", `${own.unread} unread`],
    ["outbox", [waits, ...lost].join(", ")],
    ["remote", own.remoteUrl],
    ["", `last fetch ${ago(own.lastFetchWallMs)}, last push ${ago(own.lastPushWallMs)}${breaker}`],
    ["monitor", running],
    ...servicesFact(daemon?.services ?? null),
    ["fleet", own.fleet],
    ["key", own.fingerprint],
  ];
}

/** Nothing where there are none: most servers only send messages. */
function servicesFact(services: ServicesFacts | null): (readonly [string, Piece])[] {
  if (services === null || services.total === 0) return [];
  const { total, running, failing } = services;
  const names = failing.slice(0, FAILING_SHOWN).map(({ name, state }) => `${name} ${state}`);
  const more = failing.length - names.length;
  const words = [`${running} of ${total} running`, ...names, ...(more > 0 ? [`${more} more failing`] : [])];
  return [["services", words.join(", ")]];
}

/** Names of failing services on the page; `fleetd list` has all. */
const FAILING_SHOWN = 5;

const counted = (count: number, word: string): string[] => (count === 0 ? [] : [`${count} ${word}`]);

const PRESENCE: Readonly<Record<StatusPeer["presence"], Verdict>> = {
  online: "ok",
  quiet: "warn",
  silent: "warn",
  unknown: "unknown",
};

function renderPeers(
  peers: readonly StatusPeer[],
  ago: (wallMs: number | null) => string,
  { style, width }: { readonly style: Style; readonly width: number },
): SafeText {
  if (peers.length === 0) return safe`  ${style.dim("peers".padEnd(NAME_WIDTH))}none yet`;
  const rows = peers.map((peer) => [
    lightOf(lightFor(peer), style),
    peer.server,
    peer.lastSeenWallMs === null ? "unknown" : ago(peer.lastSeenWallMs),
    isRefused({ how: peer.trust }) ? TRUST_WORDS[peer.trust] : peer.presence,
    peer.health?.summary ?? peer.health?.status ?? "unknown",
    peer.version ?? "unknown",
  ]);
  const columns = [
    { title: "" },
    { title: "PEER" },
    { title: "LAST SEEN" },
    { title: "PRESENCE" },
    { title: "HEALTH" },
    { title: "VERSION" },
  ];
  return renderTable({ columns, rows }, style, width);
}

/** A server that is silent says nothing of its health any more; one that is there may still be ill. */
function lightFor(peer: StatusPeer): Verdict {
  if (isRefused({ how: peer.trust })) return "unknown";
  const presence = PRESENCE[peer.presence];
  if (presence !== "ok") return presence;
  const status = peer.health?.status;
  return status === "warn" || status === "critical" || status === "ok" ? status : "unknown";
}
