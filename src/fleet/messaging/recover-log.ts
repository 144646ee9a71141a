/**
 * What follows from where the own log stands on the remote. Nothing is ever forced: what strangers put there is stood
 * beside, what vanished is pushed again, and what only another holder of the own key can have written stops this server.
 * The caller holds the flush lock.
 */
import { formatDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import { beginEpoch } from "./adopt-log.ts";
import { fingerprintHex, shownFingerprint } from "./conflict-ref.ts";
import { committedMsOf, dropGraft, graftOf, saveGraft } from "./graft.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { markPushed, queuedDrafts } from "./outbox.ts";
import { HOLDS, type HoldKind, raiseOwnAlarm } from "./own-alarms.ts";
import { judgeOwnTip, type OwnPlace } from "./own-place.ts";
import { noteRecovery, pauseBefore, untilRecovery } from "./recovery-pauses.ts";
import { adoptBatch, confirmedBatch, newestBatch, takeBack } from "./take-back.ts";

type RecoverPorts = Pick<SendPorts, "identity" | "state" | "store" | "clock" | "cryptography">;

/**
 * - `confirmed`: nothing that was built since stands there
 * - `behind`: it has to be pushed again
 * - `ahead`: some of what was built arrived, and counts as pushed now
 * - `changed`: what is to be pushed is another batch now
 * - `paused`: nothing can be pushed for now, since a log of another key stands there once more
 * - `held`: nothing may be pushed
 */
export type Recovery =
  | { readonly kind: "confirmed" | "behind" | "ahead" | "changed"; readonly entries: number }
  | { readonly kind: "paused"; readonly entries: number; readonly detail: string }
  | {
      readonly kind: "held";
      readonly hold: HoldKind;
      readonly detail: string;
      readonly holder: string | null;
    };

/** Settles a tip whose commits are in the store. */
export async function recoverLog(ports: RecoverPorts, tip: string | null): Promise<Recovery> {
  let arrived: Arrived | null = null;
  let place = await judgeOwnTip(ports, tip);
  while (place.kind === "ours") {
    const found = acceptOurs(ports, place);
    if (found === null) return held(ports, { kind: "forked" });
    arrived = arrived === null ? found : { kind: "changed", entries: arrived.entries + found.entries };
    place = await judgeOwnTip(ports, tip);
  }
  return await settleRest(ports, place, arrived ?? { kind: "confirmed", entries: 0 });
}

/** What of ours was found on the way. */
interface Arrived {
  readonly kind: "confirmed" | "ahead" | "changed";
  readonly entries: number;
}

async function settleRest(
  ports: RecoverPorts,
  place: Exclude<OwnPlace, { kind: "ours" }>,
  { kind, entries }: Arrived,
): Promise<Recovery> {
  switch (place.kind) {
    case "strangers": {
      const paused = notePause(ports, place);
      if (paused !== null) return { kind: "paused", entries, detail: paused.detail };
      return { kind: (await standBeside(ports, place)) ? "changed" : kind, entries };
    }
    case "confirmed":
    case "behind":
      forgetStrangers(ports.state);
      return { kind: kind === "confirmed" ? place.kind : kind, entries };
    default:
      return held(ports, place);
  }
}

function forgetStrangers(state: Database): void {
  if (graftOf(state) !== null) state.transaction(() => dropGraft(state));
}

/** Something that was built here is there: noted at once, since it could never be told later from what was refused. */
function acceptOurs(
  { state, clock }: RecoverPorts,
  place: Extract<OwnPlace, { kind: "ours" }>,
): Arrived | null {
  const nowWallMs = clock.wallMs();
  if (place.state === "built") {
    return {
      kind: "ahead",
      entries: state.relaxedTransaction(() => markPushed(state, place.commit, nowWallMs)),
    };
  }
  const entries = state.transaction(() => adoptBatch(state, place.commit, nowWallMs));
  return entries === null ? null : { kind: "changed", entries };
}

export type Strangers = Extract<OwnPlace, { kind: "strangers" }>;

/** Makes the next batch stand beside the strangers' commits; true when that is news, false when it does already. */
async function standBeside(ports: RecoverPorts, place: Strangers): Promise<boolean> {
  const { state, store, clock, identity } = ports;
  const { tip, reachable, holder } = place;
  const base = confirmedBatch(state)?.tip ?? null;
  const known = graftOf(state);
  if (known?.tip === tip) return false;
  const nowWallMs = clock.wallMs();
  const committedMs = await committedMsOf(store, tip, nowWallMs);
  state.transaction(() => {
    if (!takeBack(state, newestBatch(state)))
      throw new FleetError(
        "FAILED",
        `Cannot recover the log of "${identity.server}": nobody noted how it ended`,
      );
    saveGraft(state, { base, tip, committedMs });
    if (holder !== null) noteRecovery(state, nowWallMs);
    addContent(ports, { reachable, nowWallMs });
  });
  const how = reachable ? "stand on" : "stand in the place of";
  const detail = `commits that this server did not sign ${how} its log, up to ${tip.slice(0, 12)}`;
  raiseOwnAlarm(state, { kind: "stranger", detail }, nowWallMs);
  return true;
}

/** No commit comes without content, and a root needs a batch after it. Inside the caller's transaction. */
function addContent(
  ports: RecoverPorts,
  at: { readonly reachable: boolean; readonly nowWallMs: number },
): void {
  const { state } = ports;
  const isFirst = confirmedBatch(state) === null;
  const queued = queuedDrafts(state, 2).length;
  if (!isFirst && (queued > 0 || at.reachable)) return;
  if (isFirst && queued > 1) return;
  beginEpoch(ports, at.nowWallMs);
}

/** Why a log of another key is not stood beside yet. `isNews`: it was not so before. */
export interface RecoveryPause {
  readonly detail: string;
  readonly isNews: boolean;
}

/**
 * Says why a log of another key in the place of ours is not stood beside yet; null where it may be. Whoever can
 * push can put one there, with a key that he made a moment before: it delays what is pushed, and stops nothing else.
 */
export function notePause(
  { identity, state, clock, cryptography }: Omit<RecoverPorts, "store">,
  { tip, holder }: Strangers,
): RecoveryPause | null {
  const nowWallMs = clock.wallMs();
  if (holder === null || graftOf(state)?.tip === tip || untilRecovery(state, nowWallMs) === 0) return null;
  const other = shownFingerprint(fingerprintHex(holder, cryptography));
  const pause = formatDuration(pauseBefore(state, nowWallMs));
  const detail = `logs of other keys (now ${other}) are put in the place of that of "${identity.server}" again and again: it is written again after ${pause}, and what is sent meanwhile waits`;
  return { detail, isNews: raiseOwnAlarm(state, { kind: "fight", detail }, nowWallMs) };
}

/** What of a log stops this server, in words. */
export function held(
  at: { readonly identity: { readonly server: string }; readonly cryptography: RecoverPorts["cryptography"] },
  place: Extract<OwnPlace, { kind: "unknown" | "forked" | "taken" }>,
): Extract<Recovery, { kind: "held" }> {
  const { identity, cryptography } = at;
  const { server } = identity;
  const whose = "another machine uses this id, or this state is an old copy";
  switch (place.kind) {
    case "unknown": {
      const count = place.batches.reduce((sum, batch) => sum + batch.lines.length, 0);
      const what = count === 1 ? "1 entry" : `${count} entries`;
      const detail = `the log of "${server}" on the remote holds ${what} signed with its key that this machine did not write: ${whose}`;
      return { kind: "held", hold: "other-machine", detail, holder: null };
    }
    case "forked": {
      const detail = `the log of "${server}" on the remote, signed with its key, contradicts what this machine wrote: ${whose}`;
      return { kind: "held", hold: "other-machine", detail, holder: null };
    }
    case "taken": {
      const holder = shownFingerprint(fingerprintHex(place.publicKey, cryptography));
      const detail = place.changed
        ? `the key of "${server}" was changed after this state was saved, and is now ${holder}: only a copy of the state from after that can go on`
        : `the id "${server}" belongs to another key in this fleet: ${holder}`;
      return { kind: "held", hold: "id-taken", detail, holder: place.publicKey };
    }
  }
}

const HINTS: Readonly<Record<HoldKind, string>> = {
  "other-machine": `If the other one is switched off, "fleetd monitor" takes its log over once it was silent for two heartbeats; else choose another id with "fleetd init --server ID"`,
  "id-taken": `Choose another id with "fleetd init --server ID"`,
  "other-fleet": "Put the fleet's repository back at that address; what is queued goes by itself then",
};

/** What an operator can do about a hold. */
export const hintOfHold = (kind: HoldKind): string => HINTS[kind];

/** A hold as the error of a command. */
export const holdError = (
  server: string,
  hold: { readonly kind: HoldKind; readonly detail: string },
): FleetError =>
  new FleetError(HOLDS[hold.kind], `Cannot push as "${server}": ${hold.detail}`, { hint: HINTS[hold.kind] });
