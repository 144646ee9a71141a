/**
 * Reading a log by the rules of trust: with which key its reading begins, and what becomes of a log that is not trusted.
 *
 * Such a log is looked at and nothing of it is taken. How far it was seen is remembered, so that the operator can be
 * shown whose key it is, and so that all of that is history once the server is trusted: readable, never answered.
 */
import type { Chain } from "./accept-batch.ts";
import { keysOfLog, keysOfLogs, presentKey } from "./former-keys.ts";
import { addQuarantine, raiseAlarm } from "./index-troubles.ts";
import { firstClaim, judgeBatches, knownChain, readBatches } from "./judge-log.ts";
import { type Log, readInChunks } from "./log-chunks.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import { loadProgress, type Progress } from "./message-index.ts";
import { parseServerId } from "./model.ts";
import { findPeer, setHistory } from "./peers.ts";
import {
  clearHeld,
  findTrust,
  fingerprintOfKey,
  fitsKey,
  listHeld,
  noteHeld,
  type Refusal,
  trustOf,
} from "./trust.ts";

/** The alarm about a log that is not of the key that the operator named. */
export const OTHER_KEY = "other-key";

/** A log begins with its key; so many batches are looked at for it, should the first ones be rubbish. Chosen. */
const BEGINNING_COMMITS = 64;

/** Why nothing of a log is taken, and which key would be. */
export type Refused = { readonly why: Refusal; readonly expected: string | null };

/** How far a log was read; null where that was the log of a key which the operator replaced. `keys`: as in `Log`. */
export function currentProgress(
  ports: ReceivePorts,
  server: string,
  keys?: readonly string[],
): Progress | null {
  const progress = loadProgress(ports.index, server);
  if (progress === null || progress.publicKey === "") return progress;
  const { publicKey } = progress;
  if (keys === undefined && publicKey === presentKey(ports.state, server)) return progress;
  return (keys ?? keysOfLog(ports.state, server)).includes(publicKey) ? progress : null;
}

/** The keys of a log that is kept here: it may be of keys that the operator replaced since. */
export async function keysOfKept(ports: ReceivePorts, { server, tip }: Log): Promise<readonly string[]> {
  const logs = keysOfLogs(ports.state, server);
  const last = logs.at(-1) ?? [];
  if (logs.length < 2) return last;
  const steps = await ports.store.listCommits(tip, null, Number.MAX_SAFE_INTEGER);
  const beginning = steps.slice(0, BEGINNING_COMMITS).map((step) => step.id);
  const claim = firstClaim(await readBatches(ports, beginning));
  return logs.find((keys) => claim !== null && keys.includes(claim)) ?? last;
}

/** The chain at the end of some commits, and every key that counted on the way; null where nothing fits together. */
export async function walkLog(
  ports: ReceivePorts,
  server: string,
  { commits, known }: { readonly commits: readonly string[]; readonly known: Chain | null },
): Promise<{ readonly chain: Chain | null; readonly keys: readonly string[] }> {
  let chain = known;
  const keys = known === null ? [] : [known.publicKey];
  for await (const batches of readInChunks(ports, commits)) {
    const judged = await judgeBatches(ports, server, { batches, known: chain });
    chain = chain === null && judged.chain.seq === 0 ? null : judged.chain;
    if (judged.pin !== null) keys.push(judged.pin);
    keys.push(...judged.handovers.map(({ next }) => next));
  }
  return { chain, keys };
}

/** A log as the store holds it, walked from its first commit. */
export async function traceLog(ports: ReceivePorts, { server, tip }: Log) {
  const steps = await ports.store.listCommits(tip, null, Number.MAX_SAFE_INTEGER);
  return await walkLog(ports, server, { commits: steps.map((step) => step.id), known: null });
}

/**
 * The chain with which reading `commits` begins; null for a writer that nobody pinned yet. `"astray"`: they begin with
 * a key that was given up since, and do not come to the one that counts. Whoever stole an old key can write such a log.
 */
export async function startOfReading(
  ports: ReceivePorts,
  server: string,
  {
    commits,
    progress,
    kept,
  }: {
    readonly commits: readonly string[];
    readonly progress: Progress | null;
    /** The keys of a log that is kept here. */
    readonly kept?: readonly string[] | undefined;
  },
): Promise<Chain | null | "astray"> {
  const known = knownChain(ports, server, progress);
  if (known === null) return null;
  const present = presentKey(ports.state, server) ?? "";
  const isStart = known.seq === 0;
  const keys = kept ?? keysOfLog(ports.state, server);
  const chain = isStart ? { ...known, publicKey: await firstKeyOf(ports, { commits, keys }) } : known;
  // What was accepted before was judged then. What this server itself wrote and had confirmed needs no proof, and its
  // last rotation may still be on its way.
  if (kept !== undefined || server === ports.identity.server) return chain;
  if (chain.publicKey === present || commits.length === 0) return chain;
  const walked = await walkLog(ports, server, { commits, known: chain });
  return walked.keys.includes(present) ? chain : "astray";
}

/** The key with which a log begins: the one that it claims, if it is known to have been its own; else its last one. */
async function firstKeyOf(
  ports: ReceivePorts,
  { commits, keys }: { readonly commits: readonly string[]; readonly keys: readonly string[] },
): Promise<string> {
  const last = keys.at(-1) ?? "";
  if (keys.length === 1) return last;
  const claim = firstClaim(await readBatches(ports, commits.slice(0, BEGINNING_COMMITS)));
  return claim !== null && keys.includes(claim) ? claim : last;
}

/** Why nothing of this log may be taken; null where it may. */
export async function refusalOf(ports: ReceivePorts, log: Log): Promise<Refused | null> {
  if (!parseServerId(log.server).ok) return null;
  const trust = trustOf(ports, log.server);
  if (trust.kind === "refused") return trust;
  if (trust.kind === "accepted" || trust.expected === null) return null;
  const { expected } = trust;
  return (await isOfKey(ports, log, expected)) ? null : { why: "other-key", expected };
}

/** Whether a log that nobody pinned yet is of the key that the operator named, then or now. */
async function isOfKey(ports: ReceivePorts, log: Log, expected: string): Promise<boolean> {
  const { store, state, cryptography } = ports;
  const steps = await store.listCommits(log.tip, null, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  const claim = firstClaim(await readBatches(ports, commits.slice(0, BEGINNING_COMMITS)));
  if (claim !== null && fitsKey(expected, claim, cryptography)) return true;
  const row = findTrust(state, log.server);
  if (row?.heldTip === log.tip)
    return row.held !== null && fitsKey(expected, row.held.publicKey, cryptography);
  const { keys } = await walkLog(ports, log.server, { commits, known: null });
  return keys.some((key) => fitsKey(expected, key, cryptography));
}

/** Looks at what is new in a log that is not trusted. Answers how many commits were put aside. */
export async function holdBack(ports: ReceivePorts, log: Log, refusal: Refused): Promise<number> {
  const { state, index, clock } = ports;
  const { server, tip } = log;
  const row = findTrust(state, server);
  const seen = row?.heldTip === tip ? null : await lookAt(ports, log, row);
  const nowWallMs = clock.wallMs();
  if (seen !== null) state.transaction(() => noteHeld(state, server, { tip, chain: seen.chain }, nowWallMs));
  if (refusal.why === "other-key") {
    const claim = (seen === null ? row?.held : seen.chain)?.publicKey ?? null;
    const detail = otherKeyDetail(ports, claim, refusal.expected);
    index.transaction(() => raiseAlarm(index, { server, kind: OTHER_KEY, detail }, nowWallMs));
  }
  if (seen === null || refusal.why === "waiting" || refusal.why === "other-key") return 0;
  index.transaction(() => {
    for (const place of seen.commits) addQuarantine(index, { server, place, reason: refusal.why }, nowWallMs);
  });
  return seen.commits.length;
}

function otherKeyDetail(ports: ReceivePorts, claim: string | null, expected: string | null): string {
  const shown = (key: string | null): string =>
    key === null ? "no key" : (fingerprintOfKey(key, ports.cryptography) ?? key);
  return `its log is of ${shown(claim)}, and ${shown(expected)} is expected here: nothing of it is taken`;
}

/** What is new since the last look, and where the log stands after it. */
async function lookAt(
  ports: ReceivePorts,
  { server, tip }: Log,
  row: ReturnType<typeof findTrust>,
): Promise<{ readonly commits: readonly string[]; readonly chain: Chain | null }> {
  const progress = currentProgress(ports, server);
  const isHeld = row !== null && row.heldTip !== "";
  const since = isHeld ? row.heldTip : (progress?.tip ?? null);
  const steps = await ports.store.listCommits(tip, since, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  // A log that went on in other commits is looked at as a whole.
  const isContinued = since !== null && (commits.length === 0 || steps[0]?.parents[0] === since);
  const start =
    isContinued && isHeld
      ? row.held
      : await startOfReading(ports, server, { commits, progress: isContinued ? progress : null });
  const { chain } = await walkLog(ports, server, { commits, known: start === "astray" ? null : start });
  return { commits, chain };
}

/**
 * Ends the wait of servers that are trusted now and whose log was read: what was seen of it before is history. Until
 * then nothing of them is acted on.
 */
export function settleHeld(ports: ReceivePorts): void {
  const { state, index } = ports;
  for (const { server, held } of listHeld(state)) {
    if (trustOf(ports, server).kind !== "accepted" || findPeer(state, server) === null) continue;
    if (held !== null && held.seq > 0 && !hasRead(ports, server, held)) continue;
    index.transaction(() => {
      if (held !== null) markHistory(ports, server, held);
      index.run("DELETE FROM quarantine WHERE server = ? AND reason IN ('revoked', 'purged')", server);
    });
    state.transaction(() => {
      if (held !== null && held.seq > 0) setHistory(state, server, held);
      clearHeld(state, server);
    });
  }
}

function hasRead(ports: ReceivePorts, server: string, held: Chain): boolean {
  const progress = currentProgress(ports, server);
  if (progress === null) return false;
  if (progress.epoch === held.epoch) return progress.seq >= held.seq;
  const later = "SELECT 1 FROM entries WHERE writer = ? AND epoch = ? AND seq >= ? LIMIT 1";
  return ports.index.get(later, server, held.epoch, held.seq) !== null;
}

function markHistory({ index }: ReceivePorts, server: string, held: Chain): void {
  index.run(
    `UPDATE entries SET history = 1 WHERE writer = ? AND position <=
       (SELECT max(position) FROM entries WHERE writer = ? AND epoch = ? AND seq <= ?)`,
    server,
    server,
    held.epoch,
    held.seq,
  );
}

/** Whether anything may be done with the messages of a server now. */
export const mayActOn = (ports: Parameters<typeof trustOf>[0], server: string): boolean =>
  trustOf(ports, server).kind === "accepted" && (findTrust(ports.state, server)?.heldTip ?? "") === "";
