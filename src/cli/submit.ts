import { formatDuration } from "../base/duration.ts";
import { firstLineOf } from "../base/errors.ts";
import type { Database } from "../base/ports/database.ts";
import { queueDrafts } from "../daemon/flush-now.ts";
import type { FlushOutcome } from "../fleet/messaging/flush-outbox.ts";
import { outboxItem } from "../fleet/messaging/outbox.ts";
import { holdOf } from "../fleet/messaging/own-alarms.ts";
import { draftMessage, type SendRequest } from "../fleet/messaging/send-message.ts";
import type { RemoteDown } from "../http/protocol.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { printNotice } from "./output/print-answer.ts";
import { withId } from "./send-request.ts";
import { type Session, typed } from "./session.ts";
import { tellFailure, tellReason } from "./tell-failure.ts";
import { waitWithDaemon } from "./wait-until.ts";

/**
 * A message that is safe here. `throughDaemon`: a daemon took it and pushes it. `isDenied`: the remote answered that this
 * server may not push.
 */
export interface Submitted {
  readonly id: string;
  readonly throughDaemon: boolean;
  readonly isDenied: boolean;
}

/**
 * Makes a message durable: through the daemon, or in the outbox, and then pushes in this process where no daemon does.
 * A push that did not come through is told on stderr; the message is safe.
 */
export async function submit(
  session: Session,
  asked: SendRequest,
  options: { readonly push: boolean; readonly timeoutMs: number },
): Promise<Submitted> {
  const request = withId(asked);
  const from = { clock: systemClock, cryptography: systemCryptography };
  session.noteSent();
  const taken = await session.ask((daemon) => daemon.send(request, options.timeoutMs));
  if (taken !== null) return { id: taken.id, throughDaemon: true, isDenied: false };
  const { server } = session.mailbox().identity;
  const draft = typed(draftMessage(request, { ...from, server }));
  if (!options.push) {
    queueDrafts(session.mailbox(), [draft], systemClock.wallMs());
    return { id: draft.id, throughDaemon: false, isDenied: false };
  }
  const outcome = await session.flush([draft], options.timeoutMs);
  tellFailure(session.mailbox().state, outcome, draft.id);
  return { id: draft.id, throughDaemon: false, isDenied: isDenial(outcome) };
}

const isDenial = (outcome: FlushOutcome): boolean =>
  outcome.status === "waiting" && outcome.failure.kind === "unauthorised";

/**
 * What a wait for the remote's answer came to. `away`: why the remote cannot be reached, hostile text; null when that is
 * not known. `isDenied`: it answers, and does not let this server in.
 */
export interface PushWait {
  readonly isPushed: boolean;
  readonly away: string | null;
  readonly isDenied: boolean;
}

/**
 * Whether the remote confirmed a submitted message, at most `timeoutMs` from now. The daemon that took it pushes it;
 * when that daemon is gone, this process does. What this process has just failed to push is not waited for, nor what
 * the remote refused: the next try is some seconds away, and the reason is worth more now. The same holds for a remote
 * that is away, unless somebody said how long to wait (`isPatient`).
 */
export async function waitForPush(
  session: Session,
  submitted: Submitted,
  { timeoutMs, isPatient }: { readonly timeoutMs: number; readonly isPatient: boolean },
): Promise<PushWait> {
  const { state } = session.mailbox();
  const isPushed = (): boolean => outboxItem(state, submitted.id)?.state === "pushed";
  const away: { known: RemoteDown | null; isDenied: boolean } = { known: null, isDenied: submitted.isDenied };
  const isTold = (down: RemoteDown | null): boolean => {
    if (isPushed() || wasRefused(state, submitted.id)) return true;
    away.isDenied = down?.unauthorised === true;
    away.known = isPatient ? null : down;
    return away.known !== null;
  };
  if (isPushed() || !submitted.throughDaemon)
    return { isPushed: isPushed(), away: null, isDenied: away.isDenied };
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  const leftMs = (): number => deadlineMs - systemClock.monotonicMs();
  const isDaemonThere = await waitWithDaemon(session, leftMs, isTold);
  if (!isDaemonThere && !isPushed()) {
    const outcome = await session.flush([], Math.max(1, leftMs()));
    if (isDenial(outcome)) away.isDenied = true;
    if (away.known === null) tellFailure(state, outcome, submitted.id);
  }
  if (away.known !== null) tellAway(state, away.known);
  return { isPushed: isPushed(), away: away.known?.why ?? null, isDenied: away.isDenied };
}

function tellAway(state: Database, { why, sinceWallMs, unauthorised = false }: RemoteDown): void {
  const hold = holdOf(state);
  if (hold !== null || unauthorised) {
    const held =
      hold === null
        ? `the remote does not let this server in: ${firstLineOf(why)}`
        : `held: ${firstLineOf(hold.detail)}`;
    tellReason(state, held);
    return;
  }
  const away = formatDuration(Math.max(0, systemClock.wallMs() - sinceWallMs));
  printNotice(`fleetd: the remote has been away for ${away}: ${firstLineOf(why)}`);
}

/** Whether the remote answered and refused this entry, or its time is over. */
function wasRefused(state: Database, id: string): boolean {
  const item = outboxItem(state, id);
  return item !== null && (item.refused > 0 || item.state === "expired");
}
