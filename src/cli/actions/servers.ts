import { readCardHealth } from "../../fleet/health/card-health.ts";
import { forgottenBy, labelsOf } from "../../fleet/messaging/card.ts";
import { describeQuarantine, listAlarms } from "../../fleet/messaging/index-troubles.ts";
import { listProgress } from "../../fleet/messaging/message-index.ts";
import { ownGroups } from "../../fleet/messaging/own-groups.ts";
import { listPeers } from "../../fleet/messaging/peers.ts";
import { lastSeenWallMs, type PresenceState, presenceOf } from "../../fleet/messaging/presence.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { listCards, type StoredCard } from "../../fleet/messaging/stored-cards.ts";
import { isRefused, listTrusted, type TrustHow, trustEntryOf } from "../../fleet/messaging/trust-view.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { toLabelFilter } from "../filters.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { type SafeText, safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { type Session, withSession } from "../session.ts";
import { TRUST_WORDS } from "./trust-list.ts";

/** The arguments of `servers`, as typed. */
export interface ServersArguments {
  readonly offline: boolean;
  readonly group?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** One other server as this one knows it. Instants are wall ms; null is unknown. */
export interface KnownServer {
  readonly server: string;
  readonly fingerprint: string;
  readonly lastSeenWallMs: number | null;
  readonly presence: PresenceState;
  readonly groups: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  readonly version: string | null;
  /** What its card says of its health, strangers' text; null before its first card. */
  readonly health: { readonly status: string; readonly summary: string | null } | null;
  readonly entries: number;
  readonly forgotten: boolean;
  /** Whether its refs were deleted from here. */
  readonly purged: boolean;
  /** Whether it was heard of after it was forgotten here. */
  readonly speaksAgain: boolean;
  /** Servers whose cards say that they have forgotten it; each decides for itself. */
  readonly forgottenBy: readonly string[];
  readonly trust: TrustHow;
}

/** Lists who is in the fleet, with their keys and when they were last heard of. */
export async function servers(args: ServersArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const wanted = wantedBy(args);
    const known = [...listServers(session), ...listStrangers(session)].filter(wanted);
    const { identity, state } = session.mailbox();
    if (args.json) {
      printJson("servers", { server: identity.server, fleet: identity.fleet, servers: known.map(toJson) });
      return;
    }
    const own = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
    const nowWallMs = systemClock.wallMs();
    const style = openStyle(args);
    const self = { groups: ownGroups(state), labels: new Map(Object.entries(session.settings.labels)) };
    const rows = [
      ...(wanted(self) ? [[identity.server, "", "this server", membershipOf(self), own]] : []),
      ...known.map((one) => [
        one.server,
        one.forgotten || isRefused({ how: one.trust }) ? "" : lightOf(one.presence, style),
        seenOf(one, nowWallMs),
        membershipOf(one),
        one.fingerprint,
      ]),
    ];
    if (rows.length === 0) {
      printText("No server fits");
      return;
    }
    // Fingerprints are there to be compared, so they are never cut, and nothing else is left to read beside them.
    const titles = ["SERVER", "STATE", "LAST SEEN", "GROUPS, LABELS", "KEY"];
    const columns = titles.map((title) => ({ title, keepWhole: true }));
    printText(renderTable({ columns, rows }, style, terminalWidth()));
    for (const line of rumours(session, known)) printText(line);
  });
}

function seenOf(one: KnownServer, nowWallMs: number): string {
  if (one.purged) return "purged";
  if (isRefused({ how: one.trust })) return TRUST_WORDS[one.trust];
  if (one.forgotten) return one.speaksAgain ? "forgotten, speaks again" : "forgotten";
  if (one.lastSeenWallMs === null) return "unknown";
  const status = one.health?.status ?? "ok";
  const health = status === "warn" || status === "critical" ? `, ${status}` : "";
  return `${formatRelativeTime(one.lastSeenWallMs, nowWallMs)}${health}`;
}

/** What is to be said of servers that somebody has forgotten. */
function rumours(session: Session, known: readonly KnownServer[]): SafeText[] {
  const { identity } = session.mailbox();
  const self = byWhom(listCards(session.mailbox().index()), identity.server);
  return [
    ...(self.length === 0
      ? []
      : [safe`${identity.server} (this server) was forgotten by ${self.join(", ")}`]),
    ...known.flatMap(({ server, forgotten, purged, speaksAgain, forgottenBy }) => [
      ...(speaksAgain && !purged
        ? [safe`${server} was forgotten here and speaks again: fleetd servers remember ${server}`]
        : []),
      ...(forgottenBy.length > 0 && !forgotten
        ? [
            safe`${server} was forgotten by ${forgottenBy.join(", ")}; here it is not: fleetd servers forget ${server}`,
          ]
        : []),
    ]),
  ];
}

const byWhom = (cards: Iterable<StoredCard>, server: string): string[] =>
  [...cards].flatMap((one) => (forgottenBy(one.card).includes(server) ? [one.server] : []));

type Membership = Pick<KnownServer, "groups" | "labels">;

const membershipOf = (one: Membership): string =>
  [...one.groups.map((group) => `@${group}`), ...[...one.labels].map((pair) => pair.join("="))].join(" ");

/** Whether a server is among those that were asked for. @throws FleetError USAGE */
function wantedBy({ group, label = [] }: ServersArguments): (one: Membership) => boolean {
  const name = group?.replace(/^@/, "");
  const labels = label.map(toLabelFilter);
  return (one) =>
    (name === undefined || one.groups.includes(name)) &&
    labels.every(({ name: key, value }) => {
      const own = one.labels.get(key);
      return own !== undefined && (value === null || own === value);
    });
}

/** `silent` beside the time it was last seen is since when. */
function lightOf(presence: PresenceState, style: Style): SafeText {
  const paint = { online: style.green, quiet: style.yellow, silent: style.red, unknown: style.dim }[presence];
  return paint(presence);
}

/** Lists every group that some card names, with its members. */
export async function groups(args: ServersArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const { identity, state } = session.mailbox();
    const members = new Map(ownGroups(state).map((group) => [group, [identity.server]]));
    for (const { server, groups: names, forgotten } of listServers(session)) {
      if (forgotten) continue;
      for (const group of names) members.set(group, [...(members.get(group) ?? []), server]);
    }
    const sorted = [...members].sort(([one], [other]) => one.localeCompare(other, "en"));
    if (args.json) {
      const list = sorted.map(([group, servers]) => ({ group, servers: servers.toSorted() }));
      printJson("groups", { server: identity.server, groups: list });
      return;
    }
    if (sorted.length === 0) {
      printText('No server is in a group; "groups: [db]" in fleetd.yaml puts one there');
      return;
    }
    const rows = sorted.map(([group, servers]) => [`@${group}`, servers.toSorted().join(" ")]);
    printText(
      renderTable(
        { columns: [{ title: "GROUP" }, { title: "MEMBERS" }], rows },
        openStyle(args),
        terminalWidth(),
      ),
    );
  });
}

/** Every other server, forgotten ones included. */
export function listServers(session: Session): KnownServer[] {
  const mailbox = session.mailbox();
  const index = mailbox.index();
  const cards = new Map(listCards(index).map((stored) => [stored.server, stored]));
  const progress = listProgress(index);
  const nowWallMs = systemClock.wallMs();
  return listPeers(mailbox.state).map((peer) => {
    const stored = cards.get(peer.server);
    const raw = fromOpenSsh(peer.publicKey);
    const seenWallMs = stored === undefined ? null : lastSeenWallMs(stored);
    return {
      server: peer.server,
      fingerprint: raw === null ? "unknown" : fingerprintOf(raw, systemCryptography),
      lastSeenWallMs: seenWallMs,
      presence: presenceOf(seenWallMs, nowWallMs, session.settings.heartbeat).state,
      groups: stored?.card.groups ?? [],
      labels: stored === undefined ? new Map() : labelsOf(stored.card),
      version: stored?.card.version ?? null,
      health: stored === undefined ? null : readCardHealth(stored.card.health),
      entries: progress.get(peer.server)?.seq ?? 0,
      forgotten: peer.forgotten,
      purged: peer.purged,
      speaksAgain: peer.forgottenWallMs !== null && (seenWallMs ?? 0) > peer.forgottenWallMs,
      forgottenBy: byWhom(cards.values(), peer.server),
      trust: trustEntryOf({ state: mailbox.state, cryptography: systemCryptography }, peer.server).how,
    };
  });
}

/** Servers whose log was seen and of which nothing was ever taken. */
function listStrangers(session: Session): KnownServer[] {
  const { state, receivePorts } = session.mailbox();
  const peers = new Set(listPeers(state).map(({ server }) => server));
  return listTrusted(receivePorts())
    .filter((entry) => isRefused(entry) && !peers.has(entry.server))
    .map(({ server, fingerprint, how }) => ({
      server,
      fingerprint: fingerprint ?? "unknown",
      lastSeenWallMs: null,
      presence: "unknown",
      groups: [],
      labels: new Map(),
      version: null,
      health: null,
      entries: 0,
      forgotten: false,
      purged: false,
      speaksAgain: false,
      forgottenBy: [],
      trust: how,
    }));
}

/** What an operator should look at: alarms, and what was refused. */
export function listProblems(session: Session): { server: string; problem: string }[] {
  const index = session.mailbox().index();
  const alarms = listAlarms(index).map(({ server, detail }) => ({ server, problem: detail }));
  const refused = describeQuarantine(index).map(({ server, evidence }) => ({ server, problem: evidence }));
  return [...alarms, ...refused];
}

const toJson = (one: KnownServer): Record<string, unknown> => ({
  server: one.server,
  fingerprint: one.fingerprint,
  last_seen_at: one.lastSeenWallMs === null ? null : new Date(one.lastSeenWallMs).toISOString(),
  presence: one.presence,
  groups: one.groups,
  labels: Object.fromEntries(one.labels),
  version: one.version,
  health: one.health?.status ?? "unknown",
  health_summary: one.health?.summary ?? null,
  entries: one.entries,
  forgotten: one.forgotten,
  purged: one.purged,
  speaks_again: one.speaksAgain,
  forgotten_by: one.forgottenBy,
  trust: one.trust,
});
