import { firstLineOf } from "../base/errors.ts";
import { queueDrafts } from "../daemon/flush-now.ts";
import { draftMessage, type SendRequest } from "../fleet/messaging/send-message.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { printNotice } from "./output/print-answer.ts";
import { toCall } from "./send-request.ts";
import { type Session, typed } from "./session.ts";

/**
 * Makes a message durable: through the daemon, or in the outbox, and then pushes in this process where no daemon does.
 * A push that did not come through is told on stderr; the message is safe.
 */
export async function submit(
  session: Session,
  request: SendRequest,
  options: { readonly push: boolean; readonly timeoutMs: number },
): Promise<{ id: string }> {
  const from = { clock: systemClock, cryptography: systemCryptography };
  const taken = await session.ask((daemon) => daemon.send(toCall(request)));
  if (taken !== null) return { id: taken.id };
  const { server } = session.mailbox().identity;
  const draft = typed(draftMessage(request, { ...from, server }));
  if (!options.push) {
    queueDrafts(session.mailbox(), [draft], systemClock.wallMs());
    return { id: draft.id };
  }
  const outcome = await session.flush([draft], options.timeoutMs);
  if (outcome.status === "waiting")
    printNotice(`fleetd: ${outcome.failure.kind}: ${firstLineOf(outcome.failure.detail)}`);
  return { id: draft.id };
}
