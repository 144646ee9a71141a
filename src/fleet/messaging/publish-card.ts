import { readStoredJson } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { GitObject } from "../../base/ports/git-store.ts";
import { buildCard, type Card, FORGOTTEN_MAX } from "./card.ts";
import { type CardMode, readSetting, writeSetting } from "./identity.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { type Cursor, FORMAT, LIMITS } from "./model.ts";
import { loadHead } from "./outbox.ts";
import { listPeers } from "./peers.ts";
import { keyAt, signerAt } from "./rotate-key.ts";

/** What only the running program knows of the server. */
export interface ServerFacts {
  readonly version: string;
  readonly capabilities: readonly string[];
  readonly groups: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly health: { readonly status: string; readonly summary?: string };
}

/**
 * What is remembered of the last card: its number, the commit on the remote as far as known, how cards are replaced.
 * `seen`: the highest number of an own card that stood on the remote; others' copies of it, or of one before, are old.
 */
export interface CardState {
  readonly n: number;
  readonly seen: number;
  readonly commitId: string | null;
  readonly mode: CardMode;
}

/** The state of the own card; before the first one n is 0. */
export function loadCardState(ports: Pick<SendPorts, "state">): CardState {
  const json = readSetting(ports.state, "card");
  const stored = json === null ? {} : (readStoredJson(json, "the card in state.db") as Partial<CardState>);
  return { n: 0, seen: 0, commitId: null, mode: "replace", ...stored };
}

/** Stores the state of the own card; inside the caller's transaction. */
export const saveCardState = (ports: Pick<SendPorts, "state">, card: CardState): void =>
  writeSetting(ports.state, "card", JSON.stringify(card));

/** What is remembered of a card that the remote took. */
export const seenCard = (built: {
  readonly n: number;
  readonly commitId: string;
}): Pick<CardState, "seen" | "commitId"> => ({ seen: built.n, commitId: built.commitId });

/** The nonce of this run of the server's daemon, or of `init` before the first one. */
export const loadRun = (ports: Pick<SendPorts, "state">): string =>
  readSetting(ports.state, "run") ?? "0".repeat(16);

/** So many runs are known as the own ones. Chosen: a card is of the last one or, rarely, of the one before it. */
const RUNS_MAX = 50;

/** Draws a new nonce; every start of a daemon does. Inside the caller's transaction. */
export function renewRun(ports: Pick<SendPorts, "state" | "cryptography">): void {
  const run = ports.cryptography.randomBytes(8).toHex();
  const runs = [...ownRuns(ports), run].slice(-RUNS_MAX);
  writeSetting(ports.state, "runs", JSON.stringify(runs));
  writeSetting(ports.state, "run", run);
}

/** The nonces of this state's daemons: a card with any other was made by somebody else with the same key. */
export function ownRuns(ports: Pick<SendPorts, "state">): readonly string[] {
  const json = readSetting(ports.state, "runs");
  return json === null ? [loadRun(ports)] : (JSON.parse(json) as string[]);
}

/** Builds the next card from what is in `state.db` now. Its number is taken, even if it is never pushed. */
export async function buildNextCard(
  ports: SendPorts,
  facts: ServerFacts,
): Promise<{ readonly n: number; readonly objects: readonly GitObject[]; readonly commitId: string }> {
  const { identity, state, clock } = ports;
  const last = loadCardState(ports);
  const head = loadHead(state);
  const n = last.n + 1;
  state.relaxedTransaction(() => saveCardState(ports, { ...last, n }));
  const nowMs = clock.wallMs();
  const card: Card = {
    v: FORMAT,
    server: identity.server,
    fleet: identity.fleet,
    n,
    run: loadRun(ports),
    at: toInstant(nowMs),
    version: facts.version,
    public_key: keyAt(ports, head),
    capabilities: [...facts.capabilities],
    groups: [...facts.groups],
    ...(Object.keys(facts.labels).length === 0 ? {} : { labels: facts.labels }),
    health: facts.health,
    log: { epoch: head?.epoch ?? identity.epoch, seq: head?.seq ?? 0, hash: head?.hash ?? "" },
    cursors: cursorsOf(ports),
    ...forgottenOf(ports),
  };
  const tools = {
    server: identity.server,
    format: ports.store.format,
    cryptography: ports.cryptography,
    key: await signerAt(ports, head),
  };
  const parent = last.mode === "chain" ? last.commitId : null;
  const built = await buildCard({ card, parent, committedMs: nowMs }, tools);
  return { n, ...built };
}

/** The newest of those that were forgotten here: others are told, and each decides for itself. */
function forgottenOf({ state }: SendPorts): { readonly forgotten?: readonly string[] } {
  const rows = state.all<{ server: string }>(
    "SELECT server FROM peers WHERE forgotten_wall_ms IS NOT NULL ORDER BY forgotten_wall_ms DESC, server LIMIT ?",
    FORGOTTEN_MAX,
  );
  return rows.length === 0 ? {} : { forgotten: rows.map(({ server }) => server) };
}

/** What cursors and forgotten servers may take of a card; the rest of it needs far less than the remainder. */
const CURSOR_BYTES_MAX = LIMITS.cardBytesMax - 16 * 1024;

/** In a fleet of more than some 400 servers not all cursors fit; a card without some says less, no card says nothing. */
function cursorsOf(ports: SendPorts): Card["cursors"] {
  const read = listPeers(ports.state).filter((peer) => peer.handled.seq > 0 && !peer.forgotten);
  const cursors: [string, Cursor][] = [];
  let bytes = 0;
  for (const { server, handled } of read) {
    bytes += JSON.stringify([server, handled]).length;
    if (bytes > CURSOR_BYTES_MAX) break;
    cursors.push([server, { ...handled }]);
  }
  return Object.fromEntries(cursors);
}
