import { fromInstant } from "../../base/instant.ts";
import { deliveryOf, type Recipient } from "../../fleet/messaging/delivery.ts";
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
import { toLabelFilter, toSince } from "../filters.ts";
import { refreshIndex } from "../look.ts";
import { writtenAt } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, type Session, typed, withSession } from "../session.ts";

/** The arguments of `sent`, as typed. */
export interface SentArguments {
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
interface SentMessage {
  readonly message: Pick<MessageEntry, "id" | "to" | "subject" | "at">;
  readonly state: string;
  readonly recipients: readonly Recipient[];
}

/** Lists what this server sent, what waits first, with its delivery per recipient. */
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
    const messages = collect(session, filter);
    if (args.json) {
      const rows = messages.map(({ message, ...rest }) => ({ ...message, ...rest }));
      printJson("sent", { server: session.mailbox().identity.server, messages: rows });
      return;
    }
    if (messages.length === 0) {
      printText("Nothing sent yet");
      return;
    }
    const nowWallMs = systemClock.wallMs();
    const style = openStyle(args);
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
    printText(renderTable({ columns, rows }, style, terminalWidth()));
  });
}

function collect(session: Session, filter: SentFilter): SentMessage[] {
  const mailbox = session.mailbox();
  const { server } = mailbox.identity;
  const toSent = (message: SentMessage["message"]): SentMessage => ({
    message: { id: message.id, to: message.to, subject: message.subject, at: message.at },
    ...deliveryOf(mailbox.state, mailbox.index(), { server, id: message.id }),
  });
  const waiting = unconfirmedDrafts(mailbox.state).flatMap(({ draft }) =>
    draft.body.type === "message" && isWanted({ ...draft.body, at: draft.at }, filter)
      ? [toSent({ ...draft.body, id: draft.id, at: draft.at })]
      : [],
  );
  const known = new Set(waiting.map(({ message }) => message.id));
  const written = listSent(mailbox.index(), server, filter).filter(({ message }) => !known.has(message.id));
  return [...waiting.reverse(), ...written.map(({ message }) => toSent(message))].slice(0, filter.limit);
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

/** How far a message got with one recipient; what a handler came to is its exit code. */
export const stateOf = ({ state, exitCode }: Recipient): string =>
  state === "handled" && exitCode !== null ? `handled(${exitCode})` : state;

/** `seen` for one recipient; for several, how many got how far: `2/3 seen`. */
function summaryOf({ state, recipients }: SentMessage): string {
  const [only, second] = recipients;
  if (state === "queued" || only === undefined) return state;
  if (second === undefined) return stateOf(only);
  const counts = new Map<string, number>();
  for (const one of recipients) counts.set(stateOf(one), (counts.get(stateOf(one)) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count}/${recipients.length} ${name}`).join(", ");
}
