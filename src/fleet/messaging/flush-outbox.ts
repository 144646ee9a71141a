/**
 * Bringing the outbox to the remote: build what is queued, push log and card together, believe only the remote's
 * answer. The caller holds the flush lock, so one process of this server is here at a time.
 *
 * A push that was cut off may have arrived. That is why a batch is pushed byte-identical until the remote's tip is one
 * of our own commits, and why a refusal is followed by a look at what the remote really holds. `push-own-refs.ts` is
 * one push, `settle-refusal.ts` what follows when the remote answered no, `take-back.ts` when a batch may be undone.
 */
import { firstLineOf } from "../../base/errors.ts";
import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import { buildQueued } from "./build-queued.ts";
import { graftOf } from "./graft.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { hasUnpushed, loadHead } from "./outbox.ts";
import type { ServerFacts } from "./publish-card.ts";
import { type FlushOptions, type FlushRound, findLogPlace, pushOwnRefs } from "./push-own-refs.ts";
import { expireQueued, hasExpired, noteUnreachable } from "./queue.ts";
import { type Settled, settleRefusal } from "./settle-refusal.ts";
import { newestBatch, takeBack } from "./take-back.ts";
import { keepWaitingClock } from "./waiting-clock.ts";

/**
 * What a flush came to. `pushed`: whatever was due is on the remote. `waiting`: the remote did not answer; everything is
 * safe here and will be tried again. `refused`: the remote answered, and did not take some of it; the rest is there.
 * `entries`: how many the remote confirmed. `notices`: what an operator should hear about in any case, such as a lock
 * that was removed.
 */
export type FlushOutcome = {
  readonly entries: number;
  readonly notices: readonly string[];
} & (
  | { readonly status: "pushed" }
  | { readonly status: "waiting"; readonly failure: RemoteFailure }
  | {
      readonly status: "refused";
      /** The remote's own words, hostile text. */
      readonly reason: string;
      /** Which entries count as refused; each rests for a while, `dead` of them for good. */
      readonly ids: readonly string[];
      readonly dead: number;
      /** Whether the card was refused, which nobody rests for. */
      readonly card: boolean;
    }
);

/** Pushes of one flush. Chosen: one bad entry among a full batch is found with 20, and two with a few more. */
const PUSHES_MAX = 24;

/** A flush starts anew when it finds that an older batch has arrived; every time there is one less. */
const TURNS_MAX = 4;

/**
 * Builds, pushes and confirms.
 * @throws FleetError NOT_AUTHORISED when somebody else writes the log with this server's key, or has its id
 */
export async function flushOutbox(
  ports: SendPorts,
  facts: ServerFacts,
  options: FlushOptions,
): Promise<FlushOutcome> {
  const round: FlushRound = {
    ports,
    facts,
    options,
    deadlineMs: ports.clock.monotonicMs() + options.timeoutMs,
    notices: [],
    uncertain: newestBatch(ports.state),
    pushesLeft: PUSHES_MAX,
    entries: 0,
  };
  let end: TurnEnd = { kind: "changed" };
  for (let turn = 0; turn < TURNS_MAX && end.kind === "changed"; turn += 1) end = await takeTurn(round);
  return toOutcome(round, end);
}

type TurnEnd = Settled | { readonly kind: "pushed" };

async function takeTurn(round: FlushRound): Promise<TurnEnd> {
  const { ports, options } = round;
  const { state } = ports;
  const late = await expire(round);
  if (late !== null) return late;
  await buildQueued(ports);
  const hasBatches = hasUnpushed(state);
  const tip = loadHead(state)?.tip ?? null;
  if (tip === null || !(hasBatches || options.card)) return { kind: "pushed" };
  // What strangers put on the log is in the way of nothing as long as there is nothing to say.
  const isBelowStrangers = !hasBatches && graftOf(state) !== null;
  const end = await pushOwnRefs(round, { tip: isBelowStrangers ? null : tip, card: true });
  if (end.kind === "refused") return await settleRefusal(round, end);
  return end.kind === "confirmed" ? { kind: "pushed" } : end;
}

/**
 * Ends the wait of messages whose time is over. Of those that are part of a batch already it has to be known first that
 * they are not on the remote; null to go on.
 */
async function expire(round: FlushRound): Promise<TurnEnd | null> {
  const { ports, options } = round;
  const { state, clock } = ports;
  const nowWallMs = clock.wallMs();
  keepWaitingClock(state, nowWallMs);
  if (hasExpired(state, { state: "built", nowWallMs }, options.rules)) {
    const place = await findLogPlace(round);
    if (!place.ok) return { kind: "waiting", failure: place.error };
    if (place.value === "changed") return { kind: "changed" };
    if (place.value === "confirmed") state.transaction(() => takeBack(state, round.uncertain));
  }
  if (hasExpired(state, { state: "queued", nowWallMs }, options.rules)) {
    state.transaction(() => expireQueued(state, nowWallMs, options.rules));
  }
  return null;
}

function toOutcome(round: FlushRound, end: TurnEnd): FlushOutcome {
  const { ports, options, entries, notices } = round;
  switch (end.kind) {
    case "pushed":
      return { status: "pushed", entries, notices };
    case "settled": {
      const { reason, ids, dead, card } = end;
      if (ids.length === 0 && !card) return { status: "pushed", entries, notices };
      return { status: "refused", entries, notices, reason, ids, dead, card };
    }
    case "waiting":
    case "changed": {
      const detail = `the log of "${ports.identity.server}" on the remote keeps changing`;
      const failure: RemoteFailure = end.kind === "waiting" ? end.failure : { kind: "failed", detail };
      // A git that was ended because its caller ends says nothing about the remote.
      if (!options.signal.aborted) note(round, failure);
      return { status: "waiting", entries, notices, failure };
    }
  }
}

function note({ ports: { state, clock } }: FlushRound, failure: RemoteFailure): void {
  const reason = `${failure.kind}: ${firstLineOf(failure.detail)}`.slice(0, 500);
  state.relaxedTransaction(() => noteUnreachable(state, reason, clock.wallMs()));
}
