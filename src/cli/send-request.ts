import { parseDuration } from "../base/duration.ts";
import { FleetError, requireOk } from "../base/errors.ts";
import type { Result } from "../base/result.ts";
import { parseRecipients } from "../fleet/messaging/model.ts";
import type { SendRequest } from "../fleet/messaging/send-message.ts";
import type { Untaken } from "../fleet/messaging/trust-view.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { readBody } from "./read-body.ts";

/** What `--wait` may name, in the order in which a message gets there. */
export type Wait = "queued" | "pushed" | "seen" | "read" | "replied";

/** The arguments of `send`, as typed. */
export interface SendArguments {
  readonly body: string | undefined;
  readonly subject: string | undefined;
  readonly to: string;
  readonly kind: string;
  readonly priority: string;
  readonly thread: string | undefined;
  readonly replyTo: string | undefined;
  readonly requireAck: boolean;
  readonly expires: string | undefined;
  readonly label: readonly string[];
  readonly idempotencyKey: string | undefined;
  readonly file: string | undefined;
  readonly wait: Wait;
  readonly timeout: string | undefined;
  readonly json: boolean;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** What the words of a `send` ask for. @throws FleetError USAGE, BAD_INPUT */
export async function toSendRequest(args: SendArguments): Promise<SendRequest> {
  if (args.timeout !== undefined) usage(parseDuration(args.timeout));
  const body = await readBody({ word: args.body, file: args.file });
  return withId({
    to: usage(parseRecipients(args.to)),
    body,
    subject: args.subject ?? firstLine(body),
    kind: args.kind,
    priority: args.priority,
    thread: args.thread,
    inReplyTo: args.replyTo,
    ackRequired: args.requireAck,
    expiresInMs: args.expires === undefined ? undefined : usage(parseDuration(args.expires)),
    labels: args.label.length === 0 ? undefined : Object.fromEntries(args.label.map(toLabel)),
    idempotencyKey: args.idempotencyKey,
  });
}

/**
 * The request with an id of its own: a daemon that dies before it answers may have taken the message, and a command
 * that then sends it by itself must not make a second one of it.
 */
export const withId = (request: SendRequest): SendRequest => ({
  ...request,
  id: request.id ?? systemCryptography.uuidV7(systemClock.wallMs()),
});

/** A message without a subject is listed by how it begins. */
function firstLine(body: string): string {
  const line = body.trimStart().split(/\r?\n/, 1)[0] ?? "";
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}

function toLabel(text: string): [string, string] {
  const [name = "", ...value] = text.split("=");
  if (name !== "" && value.length > 0) return [name, value.join("=")];
  throw new FleetError("USAGE", `Cannot read label "${text}": need NAME=VALUE`);
}

const usage = <T>(result: Result<T>): T => requireOk("USAGE", result);

/** A message to a server that nobody has seen yet is sent, since it may join later; a typing error should be noticed. */
export const unknownNotice = (recipient: string): string =>
  recipient.startsWith("@")
    ? `fleetd: no server is known to be in "${recipient}" yet; the message waits for one on the remote`
    : `fleetd: no server "${recipient}" is known here yet; the message waits for it on the remote`;

const UNTAKEN: Readonly<Record<Untaken["why"], string>> = {
  waiting: "waits to be trusted here: nothing that it answers is taken",
  "other-key": "has another key than the one that is expected here: nothing that it answers is taken",
  revoked: "was revoked here: nothing that it answers is taken",
  purged: "was deleted from here: nothing that it answers is taken",
  forgotten: "was forgotten here: nothing that it answers is acted on",
};

/** The message goes out, and no answer would come of it: somebody should notice. */
export const untakenNotice = ({ server, why, advice }: Untaken): string =>
  `fleetd: "${server}" ${UNTAKEN[why]}\n  hint: ${advice}`;

/** What `send` answers when the message is safe here and nothing more was asked for. */
export const queuedText = (shortId: string, to: string): string =>
  `Queued message ${shortId} to ${to}; nothing was confirmed yet`;
