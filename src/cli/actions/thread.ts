import { listThread } from "../../fleet/messaging/mailbox-queries.ts";
import { threadOf } from "../../fleet/messaging/model.ts";
import { systemClock } from "../../platform/clock.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { toMessageJson, writtenAt } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe, toSafeText } from "../output/safe-text.ts";
import { openStyle } from "../output/terminal.ts";
import { withSession } from "../session.ts";
import type { ReadArguments } from "./read.ts";

/** Shows a whole conversation in the order of arrival; the id is that of any message in it. */
export async function thread(args: ReadArguments): Promise<void> {
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const index = session.mailbox().index();
    const byName = listThread(index, args.id);
    const name = byName.length > 0 ? args.id : threadOf(requireMessage(index, args.id).message);
    const messages = byName.length > 0 ? byName : listThread(index, name);
    if (args.json) {
      printJson("thread", { thread: name, messages: messages.map(toMessageJson) });
      return;
    }
    const style = openStyle(args);
    const nowWallMs = systemClock.wallMs();
    for (const { message } of messages) {
      const auto = message.auto === true ? " (automatic)" : "";
      const head = safe`${style.cyan(message.from)} → ${message.to.join(", ")}  ${style.dim(writtenAt(message, nowWallMs))}`;
      printText(safe`${head}${auto}  ${style.bold(message.subject)}`);
      printText(safe`${toSafeText(message.body, { keepNewlines: true })}\n`);
    }
  });
}
