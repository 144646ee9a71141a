import { fromInstant } from "../../base/instant.ts";
import { deliveryOf } from "../../fleet/messaging/delivery.ts";
import { markMessage } from "../../fleet/messaging/mark-message.ts";
import type { IndexedMessage } from "../../fleet/messaging/message-index.ts";
import { systemClock } from "../../platform/clock.ts";
import { renderDelivery } from "../delivery-view.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { renderMessage, toMessageJson } from "../message-views.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { REMOTE_TIMEOUT_MS, type Session, withSession } from "../session.ts";

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
    const { id, expires_at } = found.message;
    const expired = expires_at !== undefined && fromInstant(expires_at) < systemClock.wallMs();
    const delivery = own ? deliveryOf(mailbox.state, mailbox.index(), { server, id, expired }) : null;
    if (args.json) {
      printJson("read", { message: toMessageJson(found), ...(delivery === null ? {} : { delivery }) });
    } else {
      const style = openStyle(args);
      const nowWallMs = systemClock.wallMs();
      printText(renderMessage(found, style, nowWallMs));
      if (delivery !== null) {
        printText(safe`\n${renderDelivery(delivery, { style, width: terminalWidth(), nowWallMs })}`);
      }
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
  } else if (outcome.status === "refused" && outcome.ids.length > 0) {
    printNotice("fleetd: the remote refused the receipt; see fleetd queue list");
  }
  return true;
}
