import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { replyRequest } from "../../fleet/messaging/send-message.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { readBody } from "../read-body.ts";
import { REMOTE_TIMEOUT_MS, withSession } from "../session.ts";
import { submit, waitForPush } from "../submit.ts";
import { codeOfWaiting } from "../tell-failure.ts";
import type { ReadArguments } from "./read.ts";

/** The arguments of `reply`, as typed. */
export interface ReplyArguments extends ReadArguments {
  readonly body: string | undefined;
  readonly file: string | undefined;
}

/** Answers one message, to its sender and in its conversation. Exit code as of `send`. */
export async function reply(args: ReplyArguments): Promise<number> {
  const body = await readBody({ word: args.body, file: args.file });
  return await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const mailbox = session.mailbox();
    const { message } = requireMessage(mailbox.index(), args.id);
    const request = replyRequest(message, body);
    const submitted = await submit(session, request, { push: true, timeoutMs: REMOTE_TIMEOUT_MS });
    const { id } = submitted;
    const { isPushed, isDenied } = await waitForPush(session, submitted, {
      timeoutMs: REMOTE_TIMEOUT_MS,
      isPatient: false,
    });
    const state = isPushed ? "pushed" : "queued";
    if (args.json) printJson("reply", { id, to: message.from, in_reply_to: message.id, state });
    else printText(`${isPushed ? "Pushed" : "Queued"}: answer ${shortId(id)} to ${message.from}`);
    return isPushed ? 0 : codeOfWaiting(mailbox.state, isDenied);
  });
}
