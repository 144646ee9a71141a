import { FleetError } from "../../base/errors.ts";
import { fromInstant } from "../../base/instant.ts";
import { type Delivery, deliveryOf } from "../../fleet/messaging/delivery.ts";
import {
  hasLabels,
  listSent,
  recipientsOf,
  type SentFilter,
  shortId,
} from "../../fleet/messaging/mailbox-queries.ts";
import { type MessageBody, type MessageEntry, parseRecipient } from "../../fleet/messaging/model.ts";
import { unconfirmedDrafts } from "../../fleet/messaging/outbox.ts";
import { systemClock } from "../../platform/clock.ts";
import { renderDelivery, stateOf } from "../delivery-view.ts";
import { toLabelFilter, toSince } from "../filters.ts";
import { requireMessage } from "../find-message.ts";
import { refreshIndex } from "../look.ts";
import { writtenAt } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, type Session, typed, withSession } from "../session.ts";

/** The arguments of `sent`, as typed. */
export interface SentArguments {
  readonly id: string | undefined;
  readonly to: string | undefined;
  readonly kind: string | undefined;
  readonly since: string | undefined;
  readonly label: readonly string[];
  readonly limit: string;
  readonly offline: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** One sent message with the state of each recipient. */
interface SentMessage extends Delivery {
  readonly message: Pick<MessageEntry, "id" | "to" | "subject" | "at" | "expires_at">;
}

/** Lists what this server sent, what waits first, with its delivery per recipient; or tells all about one message. */
export async function sent(args: SentArguments): Promise<void> {
  const filter: SentFilter = {
    to: args.to === undefined ? undefined : typed<string>(parseRecipient(args.to)),
    kind: args.kind,
    sinceWallMs: toSince(args.since, systemClock.wallMs()),
    labels: args.label.map(toLabelFilter),
    limit: parseCount("limit", args.limit),
  };
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const messages = args.id === undefined ? collect(session, filter) : [findSent(session, args.id)];
    const [only] = messages;
    if (args.json) {
      const rows = messages.map(({ message, ...rest }) => ({ ...message, ...rest }));
      printJson("sent", { server: session.mailbox().identity.server, messages: rows });
    } else if (only === undefined) {
      printText("Nothing sent yet");
    } else if (args.id !== undefined) {
      printOne(only, args);
    } else {
      printList(messages, args);
    }
  });
}

function printList(messages: readonly SentMessage[], args: SentArguments): void {
  const nowWallMs = systemClock.wallMs();
  const rows = messages.map((one) => [
    shortId(one.message.id),
    recipientsOf(one.message as MessageEntry),
    writtenAt(one.message as MessageEntry, nowWallMs),
    summaryOf(one),
    one.message.subject,
  ]);
  const columns = [
    { title: "ID", keepWhole: true },
    { title: "TO" },
    { title: "WRITTEN" },
    { title: "STATE" },
    { title: "SUBJECT" },
  ];
  printText(renderTable({ columns, rows }, openStyle(args), terminalWidth()));
}

function printOne(one: SentMessage, args: SentArguments): void {
  const style = openStyle(args);
  const nowWallMs = systemClock.wallMs();
  const { message } = one;
  printText(safe`${style.bold(message.subject)}`);
  printText(
    safe`to ${message.to.join(", ")}  ${writtenAt(message as MessageEntry, nowWallMs)}  id ${message.id}`,
  );
  printText(renderDelivery(one, { style, width: terminalWidth(), nowWallMs }));
}

function toSent(session: Session, message: SentMessage["message"]): SentMessage {
  const mailbox = session.mailbox();
  const { id, to, subject, at, expires_at } = message;
  const expired = expires_at !== undefined && fromInstant(expires_at) < systemClock.wallMs();
  const own = { server: mailbox.identity.server, id, expired };
  return {
    message: { id, to, subject, at, ...(expires_at === undefined ? {} : { expires_at }) },
    ...deliveryOf(mailbox.state, mailbox.index(), own),
  };
}

type Waiting = MessageBody & { readonly id: string; readonly at: string };

/** What is not on the remote yet, oldest first. */
function waitingMessages(session: Session): Waiting[] {
  return unconfirmedDrafts(session.mailbox().state).flatMap(({ draft }) =>
    draft.body.type === "message" ? [{ ...draft.body, id: draft.id, at: draft.at }] : [],
  );
}

function collect(session: Session, filter: SentFilter): SentMessage[] {
  const mailbox = session.mailbox();
  const waiting = waitingMessages(session).filter((message) => isWanted(message, filter));
  const known = new Set(waiting.map(({ id }) => id));
  const written = listSent(mailbox.index(), mailbox.identity.server, filter).flatMap(({ message }) =>
    known.has(message.id) ? [] : [message],
  );
  const messages = [...waiting.reverse(), ...written].slice(0, filter.limit);
  return messages.map((message) => toSent(session, message));
}

/** One message of this server, waiting or written. @throws FleetError BAD_INPUT for none, several, or a stranger's */
function findSent(session: Session, part: string): SentMessage {
  const mailbox = session.mailbox();
  const wanted = part.toLowerCase();
  const waiting = waitingMessages(session).filter(({ id }) => id.startsWith(wanted) || id.endsWith(wanted));
  const [only, second] = waiting;
  if (only !== undefined && second === undefined && wanted.length >= 4) return toSent(session, only);
  const { message } = requireMessage(mailbox.index(), part);
  if (message.from === mailbox.identity.server) return toSent(session, message);
  throw new FleetError("BAD_INPUT", `Cannot tell what became of "${part}": "${message.from}" sent it`, {
    hint: `Read it with "fleetd read ${part}"`,
  });
}

/** The filter of the index, for what waits and is not there yet. */
function isWanted(message: MessageBody & { readonly at: string }, filter: SentFilter): boolean {
  const { to, kind, sinceWallMs, labels } = filter;
  return (
    (to === undefined || message.to.includes(to)) &&
    (kind === undefined || (message.kind ?? "info") === kind) &&
    (sinceWallMs === undefined || fromInstant(message.at) >= sinceWallMs) &&
    hasLabels(message, labels ?? [])
  );
}

/** `seen` for one recipient; for several, how many got how far: `2/3 seen`. */
function summaryOf({ state, recipients }: SentMessage): string {
  const [only, second] = recipients;
  if (state !== "pushed" || only === undefined) return state;
  if (second === undefined) return stateOf(only);
  const counts = new Map<string, number>();
  for (const one of recipients) counts.set(stateOf(one), (counts.get(stateOf(one)) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count}/${recipients.length} ${name}`).join(", ");
}
