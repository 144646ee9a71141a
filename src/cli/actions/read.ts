import { deliveryOf } from "../../fleet/messaging/delivery.ts";
import { markMessage } from "../../fleet/messaging/mark-message.ts";
import type { IndexedMessage } from "../../fleet/messaging/message-index.ts";
import { systemClock } from "../../platform/clock.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { renderMessage, toMessageJson } from "../message-views.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { openStyle } from "../output/terminal.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";
import { stateOf } from "./sent.ts";

/** The arguments of `read`, as typed. */
export interface ReadArguments {
  readonly id: string;
  readonly offline: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Shows one message and marks it as read; for an own message, where it is. */
export async function read(args: ReadArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const mailbox = session.mailbox();
    const found = requireMessage(mailbox.index(), args.id);
    const { server } = mailbox.identity;
    const own = found.message.from === server;
    const delivery = own
      ? deliveryOf(mailbox.state, mailbox.index(), { server, id: found.message.id })
      : null;
    if (args.json) {
      printJson("read", { message: toMessageJson(found), ...(delivery === null ? {} : { delivery }) });
    } else {
      printText(renderMessage(found, openStyle(args), systemClock.wallMs()));
      for (const one of delivery?.recipients ?? []) printText(safe`  ${one.server}: ${stateOf(one)}`);
    }
    if (found.toMe) await tellSender(session, found, "read");
  });
}

/**
 * Marks a message here and sends the receipt: through the daemon, which lets receipts ride along, or at once.
 * False when it was marked before. An unreachable remote keeps the receipt for later.
 */
export async function tellSender(
  session: Session,
  found: IndexedMessage,
  state: "read" | "acked",
): Promise<boolean> {
  const { id, from } = found.message;
  const answer = await session.ask((daemon) => daemon.mark({ id, from, state }));
  if (answer !== null) return answer.changed;
  const mailbox = session.mailbox();
  const changed = markMessage(mailbox.receivePorts(), found, state);
  if (!changed || found.history) return changed;
  const outcome = await session.flush([], REMOTE_TIMEOUT_MS);
  if (outcome.status === "waiting") {
    printNotice(`fleetd: the receipt waits for the remote: ${outcome.failure.kind}`);
  }
  return true;
}
