/**
 * A new `state.db` in the place of a damaged one. What can be read of the old one is taken row by row; what cannot is made
 * again from the own key, the own log and card on the remote, and the logs of the others. The old file stays beside it.
 *
 * Nothing is done twice by it: what was answered or handled is known from the own log, and where it is not certain how far
 * somebody's messages were handled they become history. Nothing that the remote has is lost; of what waited, what could
 * not be read is counted and, where an index still knew its id, named.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { FleetError, firstLineOf } from "../../base/errors.ts";
import type { RemoteOptions } from "../../base/ports/git-remote.ts";
import { DECISIONS_LOST, pauseForLostDecisions } from "../../fleet/messaging/auto-pause.ts";
import { type Identity, readSetting, saveIdentity } from "../../fleet/messaging/identity.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import {
  readOwnPast,
  reconcile,
  restoreForgotten,
  settleCursors,
} from "../../fleet/messaging/rebuild-state.ts";
import { ingestStore } from "../../fleet/messaging/receive-messages.ts";
import {
  type FoundRow,
  indexedIds,
  insertRows,
  readShapes,
  sortRows,
} from "../../fleet/messaging/salvage-rows.ts";
import { type TrustPolicy, tightenTrustPolicy } from "../../fleet/messaging/trust.ts";
import { systemClock } from "../../platform/clock.ts";
import { keepAs, removeTree } from "../../platform/files.ts";
import { readKeyFile } from "../../platform/key-file.ts";
import type { ServerPaths } from "../../platform/paths.ts";
import { tryLock } from "../../platform/process-lock.ts";
import { salvageDatabase } from "../../platform/salvage-database.ts";
import { syncFolder } from "../../platform/sync.ts";
import { findIdentityCopy } from "../identity-copy.ts";
import { mendLocked } from "../mend-store.ts";
import { openMailbox, openState } from "../open-mailbox.ts";
import { readOwnKey } from "../own-keys.ts";
import { removeIndex } from "../renewable-index.ts";
import { hasEveryDecision } from "./decisions.ts";
import { whileStopped } from "./while-stopped.ts";

const SUFFIXES = ["", "-wal", "-shm"];
/** Ids that are named; the rest are counted. */
const NAMED_MAX = 20;

/** How the remote is asked, and what the configuration says of strangers: that may be what cannot be read any more. */
export interface SalvageOptions {
  readonly ask: RemoteOptions;
  readonly trust: TrustPolicy;
}

/**
 * Makes the new state, under the locks of the monitor and of whoever pushes. Answers what was taken and what was lost.
 * @throws FleetError UNAVAILABLE while one of them is held or the remote does not answer, CONFIG without the own key,
 * IO where nobody knows any more who this server is; the old file stays as it is then
 */
export async function salvageState(paths: ServerPaths, how: SalvageOptions): Promise<string> {
  let told = "";
  await whileStopped(paths, async () => {
    const lock = tryLock(paths.flushLock);
    if (lock === null)
      throw new FleetError("UNAVAILABLE", "Cannot salvage the state: somebody pushes right now");
    try {
      told = await salvage(paths, how);
    } finally {
      lock.release();
    }
  });
  return told;
}

async function salvage(paths: ServerPaths, how: SalvageOptions): Promise<string> {
  const staged = {
    ...paths,
    state: join(paths.folder, `state.db.${process.pid}.new`),
    index: join(paths.folder, `index.db.${process.pid}.new`),
  };
  const removeStaged = (): void => {
    for (const path of [staged.state, staged.index]) for (const suffix of SUFFIXES) removeTree(path + suffix);
  };
  removeStaged();
  undoInterrupted(paths);
  try {
    const found = takeRows(paths, staged);
    const rebuilt = await rebuild(staged, found, how);
    foldWal(staged);
    // Whatever it is cut off at: the old index never stands beside the new state, and none at all is made by anybody.
    removeIndex(paths);
    const aside = replaceState(paths, staged.state);
    putInPlace(staged.index, paths.index);
    syncFolder(paths.folder);
    return [...rebuilt, ...(aside === null ? [] : [`the damaged file is kept: ${aside}`])].join("; ");
  } finally {
    removeStaged();
  }
}

function putInPlace(from: string, to: string): void {
  for (const suffix of SUFFIXES) if (existsSync(from + suffix)) renameSync(from + suffix, to + suffix);
}

interface FoundState {
  readonly rows: readonly FoundRow[];
  readonly taken: ReadonlyMap<string, number>;
  readonly isNewest: boolean;
  readonly damagedPages: number;
  readonly identity: Identity | null;
  /** Whether everything that the operator decided is among the rows. */
  readonly isDecided: boolean;
}

/** Puts every row that can be read into a new database. */
function takeRows(paths: ServerPaths, staged: ServerPaths): FoundState {
  const salvaged = salvageDatabase(paths.state);
  const rows: readonly FoundRow[] = salvaged.cells;
  const state = openState(staged, true);
  try {
    const sorted = sortRows(readShapes(state), rows);
    const taken = state.transaction(() => insertRows(state, sorted));
    const json = readSetting(state, "identity");
    const identity = json === null ? null : (JSON.parse(json) as Identity);
    const copy = join(paths.folder, `state.db-copy.${process.pid}.new`);
    const isDecided = salvaged.isNewest && hasEveryDecision(state, paths.state, copy);
    const { isNewest, damagedPages } = salvaged;
    return { rows, taken, isNewest, damagedPages, identity, isDecided };
  } finally {
    state.close();
  }
}

async function rebuild(staged: ServerPaths, found: FoundState, how: SalvageOptions): Promise<string[]> {
  const { ask } = how;
  await restoreIdentity(staged, found.identity);
  const mailbox = openMailbox(staged);
  try {
    const { state, identity } = mailbox;
    tightenTrustPolicy(state, how.trust);
    // Before anything of anybody is looked at: who was revoked may look like somebody new.
    if (!found.isDecided) state.transaction(() => pauseForLostDecisions(state, systemClock.wallMs()));
    const mended = await mendLocked(mailbox, ask);
    const fetched = await mailbox.remote().fetch([`+${identity.namespace}*:refs/fleet/*`], ask);
    if (!fetched.ok) {
      const why = `${fetched.error.kind}: ${firstLineOf(fetched.error.detail)}`;
      throw new FleetError("UNAVAILABLE", `Cannot salvage the state: the remote is needed for it: ${why}`);
    }
    const ports = mailbox.receivePorts();
    const past = await readOwnPast(ports);
    const sendPorts = await mailbox.sendPorts();
    const nowWallMs = systemClock.wallMs();
    const { adopted, newEpoch } = await reconcile(sendPorts, past, { isSure: found.isNewest, nowWallMs });
    const sure = new Set(
      found.isNewest
        ? state.all<{ server: string }>("SELECT server FROM peers").map((row) => row.server)
        : [],
    );
    await ingestStore(ports);
    const card = past.card?.card ?? null;
    const history = state.transaction(() => {
      if (!found.isDecided && card !== null) restoreForgotten(state, card, nowWallMs);
      return settleCursors(ports, sure, card);
    });
    const lost = lostEntries(found, state);
    return [...mended.notices, ...tell({ found, adopted, newEpoch, history, lost })];
  } finally {
    await mailbox.close();
  }
}

/** The identity is kept in a second place; one of the own keys has to be the one in it. */
async function restoreIdentity(staged: ServerPaths, taken: Identity | null): Promise<void> {
  await readKeyFile(staged.key);
  const isOwn = async (one: Identity | null): Promise<boolean> =>
    one !== null &&
    one.server === basename(staged.folder) &&
    (await readOwnKey(staged.key, one.publicKey).catch(() => null)) !== null;
  const copy = findIdentityCopy(staged.folder);
  const identity = (await isOwn(taken)) ? taken : (await isOwn(copy)) ? copy : null;
  if (identity === null) {
    const message = `Cannot salvage "${staged.folder}": nothing says any more on which remote its fleet is`;
    throw new FleetError("IO", message, { hint: "Put state.db or identity.json back from a backup" });
  }
  const state = openState(staged, true);
  try {
    state.transaction(() => saveIdentity(state, identity));
  } finally {
    state.close();
  }
}

/** Ids that an index or a list of recipients still knew, of entries that are neither here nor on the remote. */
function lostEntries(found: FoundState, state: ReturnType<typeof openState>): string[] {
  const known = new Set(state.all<{ id: string }>("SELECT id FROM outbox").map((row) => row.id));
  const expected = state
    .all<{ id: string }>("SELECT DISTINCT message_id AS id FROM expected")
    .map((row) => row.id);
  const ids = new Set([...indexedIds(found.rows).keys(), ...expected]);
  return [...ids].filter((id) => !known.has(id)).sort();
}

interface Told {
  readonly found: FoundState;
  readonly adopted: number;
  readonly newEpoch: boolean;
  readonly history: number;
  readonly lost: readonly string[];
}

/**
 * How many entries there were and are not here any more. The outbox counts the places that it ever gave; null where that
 * count is gone as well. What somebody dropped from the queue is among them.
 */
function missingPlaces(found: FoundState, adopted: number): number | null {
  const counted = found.rows.find(({ values }) => values.length === 2 && values[0] === "outbox")?.values[1];
  if (typeof counted !== "number" || !found.isNewest) return null;
  return Math.max(0, counted - (found.taken.get("outbox") ?? 0) - adopted);
}

function tellLost({ found, adopted, lost }: Told): string {
  const missing = missingPlaces(found, adopted);
  const named = lost.slice(0, NAMED_MAX).map(shortId).join(", ");
  const more = lost.length > NAMED_MAX ? ` and ${lost.length - NAMED_MAX} more` : "";
  const names = lost.length === 0 ? "" : `: ${named}${more}`;
  if (missing === null) {
    return `lost: nobody can say how many entries waited that cannot be read, at least ${lost.length} entries${names}`;
  }
  const count = Math.max(missing, lost.length);
  return count === 0 ? "no entry was lost" : `lost: at most ${count} entries that waited${names}`;
}

function tell(told: Told): string[] {
  const { found, adopted, newEpoch, history } = told;
  const rows = [...found.taken].filter(([, count]) => count > 0).map(([table, count]) => `${table} ${count}`);
  const unsure = found.isNewest ? "" : "; what was written last may be missing";
  return [
    `rows taken: ${rows.join(", ") || "none"}; ${found.damagedPages} pages with rows that cannot be read${unsure}`,
    ...(adopted > 0 ? [`${adopted} own entries taken from the remote`] : []),
    tellLost(told),
    ...(history > 0 ? [`${history} messages to this server are history now and will not be answered`] : []),
    ...(newEpoch ? ["the log goes on in a new epoch"] : []),
    ...(found.isDecided ? [] : [`${DECISIONS_LOST.evidence}: ${DECISIONS_LOST.fix}`]),
  ];
}

/** Everything is in the one file that is put in the place of the damaged one. */
function foldWal(staged: ServerPaths): void {
  const state = openState(staged, false);
  try {
    const [folded] = state.all<{ busy: number }>("PRAGMA wal_checkpoint(TRUNCATE)");
    if (folded?.busy !== 0) throw new Error(`Broken invariant: somebody else has ${staged.state} open`);
  } finally {
    state.close();
  }
}

/**
 * Gives the damaged file and its WAL names of their own, and puts the staged one in its place in one step: at no point is
 * there no `state.db`, and never is one beside a WAL that is not its own. Answers the damaged file's new name; null where
 * nothing was left of it.
 */
function replaceState(paths: ServerPaths, staged: string): string | null {
  const aside = `${paths.state}.damaged-${Date.now()}`;
  const left = ["-wal", ""].filter((suffix) => existsSync(paths.state + suffix));
  for (const suffix of left) keepAs(paths.state + suffix, aside + suffix);
  syncFolder(paths.folder);
  for (const suffix of ["-wal", "-shm"]) rmSync(paths.state + suffix, { force: true });
  syncFolder(paths.folder);
  renameSync(staged, paths.state);
  syncFolder(paths.folder);
  return left.length === 0 ? null : aside;
}

/** What was cut off between taking the WAL away and replacing the file is as it was before, for another try. */
function undoInterrupted(paths: ServerPaths): void {
  const state = statSync(paths.state, { throwIfNoEntry: false });
  if (state === undefined || existsSync(`${paths.state}-wal`)) return;
  const prefix = `${basename(paths.state)}.damaged-`;
  for (const name of readdirSync(paths.folder).filter(
    (one) => one.startsWith(prefix) && !one.endsWith("-wal"),
  )) {
    const aside = join(paths.folder, name);
    // Two names of one file, so nothing has taken its place since.
    if (statSync(aside).ino !== state.ino || !existsSync(`${aside}-wal`)) continue;
    renameSync(`${aside}-wal`, `${paths.state}-wal`);
    rmSync(aside);
    return;
  }
}
