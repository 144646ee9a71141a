import { FleetError } from "../../base/errors.ts";
import { readCardHealth } from "../../fleet/health/card-health.ts";
import { listAlarms, listCards, listProgress, listQuarantine } from "../../fleet/messaging/message-index.ts";
import { listPeers, setForgotten } from "../../fleet/messaging/peers.ts";
import { lastSeenWallMs } from "../../fleet/messaging/presence.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { systemClock } from "../../platform/clock.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { formatRelativeTime } from "../output/relative-time.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { type Session, withSession } from "../session.ts";

/** The arguments of `servers`, as typed. */
export interface ServersArguments {
  readonly offline: boolean;
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
  readonly version: string | null;
  /** What its card says of its health, strangers' text; null before its first card. */
  readonly health: { readonly status: string; readonly summary: string | null } | null;
  readonly entries: number;
  readonly forgotten: boolean;
}

/** Lists who is in the fleet, with their keys and when they were last heard of. */
export async function servers(args: ServersArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const known = listServers(session);
    const { identity } = session.mailbox();
    if (args.json) {
      printJson("servers", { server: identity.server, fleet: identity.fleet, servers: known.map(toJson) });
      return;
    }
    const own = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
    const nowWallMs = systemClock.wallMs();
    const style = openStyle(args);
    const seenOf = (one: KnownServer): string => {
      if (one.forgotten) return "forgotten";
      if (one.lastSeenWallMs === null) return "unknown";
      const status = one.health?.status ?? "ok";
      const health = status === "warn" || status === "critical" ? `, ${status}` : "";
      return `${formatRelativeTime(one.lastSeenWallMs, nowWallMs)}${health}`;
    };
    const rows = [
      [identity.server, "this server", own],
      ...known.map((one) => [one.server, seenOf(one), one.fingerprint]),
    ];
    // Fingerprints are there to be compared, so they are never cut.
    const columns = [{ title: "SERVER" }, { title: "LAST SEEN" }, { title: "KEY", keepWhole: true }];
    printText(renderTable({ columns, rows }, style, terminalWidth()));
  });
}

/** Leaves a server out of broadcasts and lists from now on; its messages stay readable. */
export async function forgetServer(args: ServersArguments & { readonly id: string }): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const { state } = session.mailbox();
    const isKnown = state.transaction(() => setForgotten(state, args.id, systemClock.wallMs()));
    if (!isKnown)
      throw new FleetError("BAD_INPUT", `Cannot forget "${args.id}": no such server is known here`);
    if (args.json) printJson("servers.forget", { id: args.id, forgotten: true });
    else printText(`${args.id} is left out of broadcasts and lists from now on; nothing of it was deleted`);
  });
}

/** Every other server, forgotten ones included. */
export function listServers(session: Session): KnownServer[] {
  const mailbox = session.mailbox();
  const index = mailbox.index();
  const cards = new Map(listCards(index).map((stored) => [stored.server, stored]));
  const progress = listProgress(index);
  return listPeers(mailbox.state).map((peer) => {
    const stored = cards.get(peer.server);
    const raw = fromOpenSsh(peer.publicKey);
    return {
      server: peer.server,
      fingerprint: raw === null ? "unknown" : fingerprintOf(raw, systemCryptography),
      lastSeenWallMs: stored === undefined ? null : lastSeenWallMs(stored),
      version: stored?.card.version ?? null,
      health: stored === undefined ? null : readCardHealth(stored.card.health),
      entries: progress.get(peer.server)?.seq ?? 0,
      forgotten: peer.forgotten,
    };
  });
}

/** What an operator should look at: alarms, and what was refused. */
export function listProblems(session: Session): { server: string; problem: string }[] {
  const index = session.mailbox().index();
  const alarms = listAlarms(index).map(({ server, detail }) => ({ server, problem: detail }));
  const refused = listQuarantine(index).map(({ server, place, reason }) => ({
    server,
    problem: `quarantined ${place.slice(0, 12)}: ${reason}`,
  }));
  return [...alarms, ...refused];
}

const toJson = (one: KnownServer): Record<string, unknown> => ({
  server: one.server,
  fingerprint: one.fingerprint,
  last_seen_at: one.lastSeenWallMs === null ? null : new Date(one.lastSeenWallMs).toISOString(),
  version: one.version,
  health: one.health?.status ?? "unknown",
  health_summary: one.health?.summary ?? null,
  entries: one.entries,
  forgotten: one.forgotten,
});
