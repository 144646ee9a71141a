import { FleetError } from "../../base/errors.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { withSession } from "../session.ts";
import { type ReadArguments, tellSender } from "./read.ts";

/** Acknowledges one message; its sender sees that. Doing it twice changes nothing. */
export async function ack(args: ReadArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const found = requireMessage(session.mailbox().index(), args.id);
    const { id, from } = found.message;
    if (!found.toMe) {
      throw new FleetError(
        "BAD_INPUT",
        `Cannot acknowledge message "${shortId(id)}": it is not to this server`,
      );
    }
    const changed = await tellSender(session, found, "acked");
    if (args.json) printJson("ack", { id, from, changed });
    else
      printText(
        changed ? `Acknowledged ${shortId(id)} of ${from}` : `${shortId(id)} was acknowledged before`,
      );
  });
}
