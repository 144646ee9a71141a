import { parseDuration } from "../../base/duration.ts";
import { EXIT_CODES, firstLineOf } from "../../base/errors.ts";
import { deliveryOf, sentState } from "../../fleet/messaging/delivery.ts";
import { findReply, shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { outboxItem } from "../../fleet/messaging/outbox.ts";
import { holdOf } from "../../fleet/messaging/own-alarms.ts";
import { unknownAmong } from "../../fleet/messaging/peers.ts";
import type { SendRequest } from "../../fleet/messaging/send-message.ts";
import { untakenAmong } from "../../fleet/messaging/trust-view.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { refreshIndex } from "../look.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { type SafeText, safe, toSafeText } from "../output/safe-text.ts";
import { queuedText, type SendArguments, unknownNotice, untakenNotice, type Wait } from "../send-request.ts";
import { type Session, typed, withSession } from "../session.ts";
import { type Submitted, submit, waitForPush } from "../submit.ts";
import { codeOfWaiting } from "../tell-failure.ts";
import { waitUntil } from "../wait-until.ts";

const PUSH_TIMEOUT_MS = 10_000;
const WAIT_TIMEOUT_MS = 60_000;

/**
 * Sends one message (`request`, made of `args`) and waits as long as asked. Exit code 0 when that state was reached, 75
 * when it was not yet, 77 when that is so because the remote does not let this server push, 1 when it never will be: the
 * remote refused it for good, or its time is over.
 */
export async function sendAndWait(args: SendArguments, request: SendRequest): Promise<number> {
  const timeoutMs =
    args.timeout === undefined
      ? args.wait === "pushed" || args.wait === "queued"
        ? PUSH_TIMEOUT_MS
        : WAIT_TIMEOUT_MS
      : typed(parseDuration(args.timeout));
  return await withSession(args, async (session) => {
    // Who "all" is gets fixed when the message is made, so a wait for everybody asks first who joined meanwhile.
    if (RANKS.indexOf(args.wait) > RANKS.indexOf("pushed") && request.to.includes("all")) {
      await refreshIndex(session, { offline: false });
    }
    const submitted = await submit(session, request, { push: args.wait !== "queued", timeoutMs });
    const { id } = submitted;
    const unknown = await warnUnknown(session, request.to, { look: isPushed(session, id) });
    const isPatient = args.timeout !== undefined;
    const reached = await waitFor(session, submitted, { wait: args.wait, timeoutMs, isPatient });
    report(session, { id, args, reached, unknown });
    if (reached.ok) return 0;
    const { state } = session.mailbox();
    const isStopped = holdOf(state) !== null || reached.isDenied === true;
    if (isLost(reached.state) && !isStopped) return EXIT_CODES.FAILED;
    return codeOfWaiting(state, reached.isDenied === true);
  });
}

/**
 * A message to a server that nobody has seen yet is sent, since it may join later; a typing error should be noticed.
 * The same for one whose answer would come to nothing here. `look`: the remote answered just now, so it is asked who joined since this server last looked.
 */
async function warnUnknown(
  session: Session,
  to: readonly string[],
  options: { readonly look: boolean },
): Promise<readonly string[]> {
  const mailbox = session.mailbox();
  if (options.look && unknownAmong(mailbox, to).length > 0) await refreshIndex(session, { offline: false });
  const unknown = unknownAmong(mailbox, to);
  for (const server of unknown) printNotice(unknownNotice(server));
  const ports = { state: mailbox.state, cryptography: systemCryptography };
  for (const one of untakenAmong(ports, to)) printNotice(untakenNotice(one));
  return unknown;
}

/**
 * What a wait came to: whether the state was reached, the state it is in, the answer if one was waited for, and why the
 * remote could not be reached if that was in the way, `isDenied` that it does not let this server in.
 */
interface Reached {
  readonly ok: boolean;
  readonly state: string;
  readonly reply: { readonly from: string; readonly id: string; readonly body: string } | null;
  readonly away?: string | null;
  readonly isDenied?: boolean;
}

async function waitFor(
  session: Session,
  submitted: Submitted,
  asked: { wait: Wait; timeoutMs: number; isPatient: boolean },
): Promise<Reached> {
  const { id } = submitted;
  const plain = (): string => deliveryState(session, id);
  if (asked.wait === "queued") return { ok: true, state: plain(), reply: null };
  if (asked.wait === "pushed") {
    const { isPushed, away, isDenied } = await waitForPush(session, submitted, asked);
    return { ok: isPushed, state: plain(), reply: null, away, isDenied };
  }
  // Nobody else pushes it, so nothing can come of it.
  if (!submitted.throughDaemon && submitted.isDenied && holdOf(session.mailbox().state) !== null)
    return { ok: false, state: plain(), reply: null };
  const found = await waitUntil(
    session,
    asked.timeoutMs,
    () => lookFor(session, { id, wait: asked.wait }) ?? lostState(session, id),
  );
  return found ?? { ok: false, state: strongestState(session, id), reply: null };
}

/** What the remote refused for good, or what expired, is not waited for. */
function lostState(session: Session, id: string): Reached | null {
  const state = deliveryState(session, id);
  return isLost(state) ? { ok: false, state, reply: null } : null;
}

const isLost = (state: string): boolean => state === "dead" || state === "expired";

const deliveryState = (session: Session, id: string): string =>
  sentState(outboxItem(session.mailbox().state, id));

const isPushed = (session: Session, id: string): boolean =>
  outboxItem(session.mailbox().state, id)?.state === "pushed";

function lookFor(session: Session, asked: { id: string; wait: Wait }): Reached | null {
  const mailbox = session.mailbox();
  const { server } = mailbox.identity;
  if (asked.wait === "replied") {
    const reply = findReply(mailbox.index(), asked.id, server)?.message ?? null;
    return reply === null ? null : { ok: true, state: "replied", reply };
  }
  const { recipients } = deliveryOf(mailbox.state, mailbox.index(), { server, id: asked.id });
  const passed = (state: string): boolean => RANKS.indexOf(state) >= RANKS.indexOf(asked.wait);
  const all = recipients.length > 0 && recipients.every((one) => passed(one.state));
  return all ? { ok: true, state: asked.wait, reply: null } : null;
}

const RANKS = ["queued", "pushed", "seen", "read", "acked", "handled"];

function strongestState(session: Session, id: string): string {
  const mailbox = session.mailbox();
  const delivery = deliveryOf(mailbox.state, mailbox.index(), { server: mailbox.identity.server, id });
  const ranks = delivery.recipients.map((one) => RANKS.indexOf(one.state));
  return RANKS[Math.max(RANKS.indexOf(delivery.state), ...ranks)] ?? delivery.state;
}

function notReached(
  session: Session,
  sent: { id: string; what: string; wait: Wait; state: string },
): SafeText {
  const { what, wait, state } = sent;
  const item = outboxItem(session.mailbox().state, sent.id);
  const reason = firstLineOf(item?.reason ?? "");
  const retry = `"fleetd queue retry ${shortId(sent.id)}" tries it again`;
  switch (state) {
    case "queued":
      return safe`Not ${wait} yet: ${what} is queued; it is safe here, and the monitor or the next command sends it`;
    case "refused":
      return safe`Not ${wait} yet: ${what} was refused ${String(item?.refused ?? 0)} of ${String(session.settings.queue.attempts)} times (${reason}); it is safe here, and the monitor or a later command tries it again`;
    case "dead":
      return safe`Not ${wait}: ${what} is dead, the remote refused it ${String(item?.refused ?? 0)} times (${reason}); ${retry}`;
    case "expired":
      return safe`Not ${wait}: ${what} expired before it could be sent; ${retry}`;
    default:
      return safe`Not ${wait} yet: ${what} is ${state}; it is safe here, and on the remote`;
  }
}

/** `unknown`: recipients nobody has seen yet. */
interface Sent {
  readonly id: string;
  readonly args: SendArguments;
  readonly reached: Reached;
  readonly unknown: readonly string[];
}

function report(session: Session, sent: Sent): void {
  const { id, args, reached, unknown } = sent;
  if (args.json) {
    const { reply, state, away } = reached;
    const mailbox = session.mailbox();
    const { server } = mailbox.identity;
    const held = reached.ok ? undefined : holdOf(mailbox.state)?.detail;
    const reason = held ?? (outboxItem(mailbox.state, id)?.reason || (away ?? ""));
    printJson("send", { id, server, to: args.to.split(","), state, reply, reason, unknown });
    return;
  }
  const what = `message ${shortId(id)} to ${args.to}`;
  if (!reached.ok) {
    printText(notReached(session, { id, what, wait: args.wait, state: reached.state }));
    return;
  }
  const done = reached.state[0]?.toUpperCase() + reached.state.slice(1);
  printText(reached.state === "queued" ? queuedText(shortId(id), args.to) : `${done}: ${what}`);
  if (reached.reply !== null) {
    printText(
      safe`${reached.reply.from} answered:\n${toSafeText(reached.reply.body, { keepNewlines: true })}`,
    );
  }
}
