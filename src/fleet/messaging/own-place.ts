/**
 * Where the own log stands on the remote, judged from the commits that were fetched: what of it is this server's, what
 * is a stranger's, and what only somebody with this server's key can have written. Nothing is written here.
 */
import type { Database } from "../../base/ports/database.ts";
import type { Chain } from "./accept-batch.ts";
import { wasOwn } from "./compaction-state.ts";
import type { JudgePorts } from "./judge-log.ts";
import { type Keep, type OwnBatch, type OwnWalk, walkFromStart, walkOwnLog } from "./own-walk.ts";
import { keyAt, pendingRotation } from "./rotate-key.ts";
import { type ConfirmedBatch, confirmedBatch, ownBatchState } from "./take-back.ts";

/** What judging the own log needs. */
export type PlacePorts = JudgePorts & { readonly state: Database };

/**
 * - `confirmed`: exactly where it was last confirmed
 * - `behind`: it vanished, or was taken back to an older commit of ours
 * - `ours`: `commit`, which was built here and not confirmed, is there; something may stand on it
 * - `strangers`: nothing of ours follows the confirmed batch. `reachable`: that batch itself is still there. `holder`: the
 *   key of a whole log of somebody else that stands there instead
 * - `unknown`: batches signed by our key that continue what we know, and that this state does not know
 * - `forked`: batches signed by our key that contradict what we know
 * - `taken`: the log is of another key, and ours never was there; `changed`: or ours handed it over to that one, which this
 *   state does not know of
 */
export type OwnPlace =
  | { readonly kind: "confirmed" | "behind" }
  | { readonly kind: "forked" }
  | { readonly kind: "ours"; readonly commit: string; readonly state: "built" | "abandoned" }
  | {
      readonly kind: "strangers";
      readonly tip: string;
      readonly reachable: boolean;
      readonly holder: string | null;
    }
  | { readonly kind: "unknown"; readonly batches: readonly OwnBatch[] }
  | { readonly kind: "taken"; readonly publicKey: string; readonly changed: boolean };

/** What can be said without having the commits of the ref; null when they have to be looked at. */
export function judgeKnownTip(state: Database, tip: string | null): OwnPlace | null {
  if (tip === (confirmedBatch(state)?.tip ?? null)) return { kind: "confirmed" };
  if (tip === null) return { kind: "behind" };
  const known = ownBatchState(state, tip);
  if (known === "pushed") return { kind: "behind" };
  return known === "foreign" ? null : { kind: "ours", commit: tip, state: known };
}

/** Judges a tip whose commits are in the store. */
export async function judgeOwnTip(ports: PlacePorts, tip: string | null): Promise<OwnPlace> {
  const known = judgeKnownTip(ports.state, tip);
  if (known !== null || tip === null) return known ?? { kind: "behind" };
  const confirmed = confirmedBatch(ports.state);
  const steps = await ports.store.listCommits(tip, confirmed?.tip ?? null, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  const isReachable = confirmed !== null && steps[0]?.parents[0] === confirmed.tip;
  if (confirmed === null || isReachable) {
    const own = newestOwn(ports.state, commits);
    if (own !== null) return own;
  }
  if (confirmed === null) return await judgeWithoutOwn(ports, tip, commits);
  return isReachable
    ? await judgeAbove(ports, { tip, commits }, confirmed)
    : await judgeRewritten(ports, { tip, commits }, confirmed);
}

interface Found {
  readonly tip: string;
  readonly commits: readonly string[];
}

function newestOwn(state: Database, commits: readonly string[]): OwnPlace | null {
  for (const commit of commits.toReversed()) {
    const known = ownBatchState(state, commit);
    if (known === "built" || known === "abandoned") return { kind: "ours", commit, state: known };
  }
  return null;
}

const chainOf = (publicKey: string, at: ConfirmedBatch["head"]): Chain => ({
  publicKey,
  epoch: at?.epoch ?? "",
  seq: at?.seq ?? 0,
  hash: at?.hash ?? "",
});

/** What stands on the confirmed batch: entries of ours, or strangers' commits alone. */
async function judgeAbove(
  ports: PlacePorts,
  { tip, commits }: Found,
  confirmed: ConfirmedBatch,
): Promise<OwnPlace> {
  const known = chainOf(keyAt(ports, confirmed.head), confirmed.head);
  const { kept } = await walkOwnLog(ports, commits, { known, keep: "all" });
  if (kept.length > 0) return unknown(ports, kept);
  return { kind: "strangers", tip, reachable: true, holder: null };
}

/** Nothing of this server was ever confirmed: the log is of our key, of another one, or of nobody. */
async function judgeWithoutOwn(
  ports: PlacePorts,
  tip: string,
  commits: readonly string[],
): Promise<OwnPlace> {
  const { kept, pin } = await walkFromStart(ports, commits, "all");
  if (kept.length > 0) return unknown(ports, kept);
  if (pin !== null) return { kind: "taken", publicKey: pin, changed: false };
  return { kind: "strangers", tip, reachable: false, holder: null };
}

/** The confirmed batch is not there any more: read from its beginning, does the log come to what we know, or further? */
async function judgeRewritten(
  ports: PlacePorts,
  { tip, commits }: Found,
  confirmed: ConfirmedBatch,
): Promise<OwnPlace> {
  const after: Keep = { after: confirmed.head?.hash ?? "" };
  const { first, last, isMet, kept, pin } = await walkFromStart(ports, commits, after);
  if (last === null) return { kind: "strangers", tip, reachable: false, holder: pin };
  if (kept.length > 0) return unknown(ports, kept);
  // A part of what our log is or was, in its own commits or in others, is a stranger's doing and contradicts nothing.
  if (isMet || isKnownHash(ports.state, last.chain.hash) || (await wasOwn(ports, last.commit))) {
    return { kind: "strangers", tip, reachable: false, holder: null };
  }
  if (!isShortenedBeyond(first, confirmed)) return { kind: "forked" };
  return unknown(ports, (await walkFromStart(ports, commits, "all")).kept);
}

/** What a former life wrote can be taken over with its key alone: after a change of the key that is another one. */
function unknown({ state, identity }: PlacePorts, batches: readonly OwnBatch[]): OwnPlace {
  const last = batches.at(-1)?.chain.publicKey ?? identity.publicKey;
  const isOwn = last === identity.publicKey || last === pendingRotation(state)?.previous;
  return isOwn ? { kind: "unknown", batches } : { kind: "taken", publicKey: last, changed: true };
}

/** A log that its owner shortened past all that we know contradicts nothing: nobody else can have signed it. */
function isShortenedBeyond(first: OwnWalk["first"], { head }: ConfirmedBatch): boolean {
  const line = first?.lines[0]?.parsed;
  if (line?.status !== "entry" || line.entry.type !== "compacted") return false;
  const epochs = line.entry.keys.map((key) => (key.type === "key" ? key.epoch : ""));
  const isLastEpoch = epochs.at(-1) === head?.epoch;
  return isLastEpoch ? line.entry.seq >= (head?.seq ?? 0) : epochs.includes(head?.epoch ?? "");
}

/** Whether one of the confirmed batches ended with the line of this hash. Asked only of a log that was rewritten. */
const isKnownHash = (state: Database, hash: string): boolean =>
  state.get("SELECT 1 FROM batches WHERE state = 'pushed' AND instr(head, ?) > 0 LIMIT 1", hash) !== null;
