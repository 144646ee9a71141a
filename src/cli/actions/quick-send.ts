import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import type { SendRequest } from "../../fleet/messaging/send-message.ts";
import { askDaemon } from "../ask-daemon.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import {
  queuedText,
  type SendArguments,
  toSendRequest,
  unknownNotice,
  untakenNotice,
} from "../send-request.ts";
import { loadSettings, requireServer } from "../settings.ts";

/**
 * Sends one message. Where a daemon runs and its promise is enough, nothing but this file is needed: neither the
 * databases nor git, which take longer to load than the daemon takes to answer.
 */
export async function send(args: SendArguments): Promise<number> {
  const request = await toSendRequest(args);
  if (args.wait === "queued" && (await queueAtDaemon(args, request))) return 0;
  return await (await import("./send.ts")).sendAndWait(args, request);
}

/** False when there is no daemon. */
async function queueAtDaemon(args: SendArguments, request: SendRequest): Promise<boolean> {
  const paths = requireServer(await loadSettings(args));
  const taken = await askDaemon(paths.socket, (daemon) => daemon.send(request));
  if (taken === null) return false;
  const { id, server, unknown, untaken = [] } = taken;
  for (const name of unknown) printNotice(unknownNotice(name));
  for (const one of untaken) printNotice(untakenNotice(one));
  if (args.json) {
    const to = args.to.split(",");
    printJson("send", { id, server, to, state: "queued", reply: null, reason: "", unknown });
  } else printText(queuedText(shortId(id), args.to));
  return true;
}
