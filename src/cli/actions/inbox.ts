import {
  countUnread,
  type InboxFilter,
  listInbox,
  recipientsOf,
  shortId,
} from "../../fleet/messaging/mailbox-queries.ts";
import { systemClock } from "../../platform/clock.ts";
import { toLabelFilter, toServerFilter, toSince } from "../filters.ts";
import { refreshIndex } from "../look.ts";
import { markOf, toMessageJson, writtenAt } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { parseCount, withSession } from "../session.ts";

/** The arguments of `inbox`, as typed. */
export interface InboxArguments {
  readonly unread: boolean;
  readonly from: string | undefined;
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

/** Lists messages to this server: urgent unread ones first, then the newest. */
export async function inbox(args: InboxArguments): Promise<void> {
  const nowWallMs = systemClock.wallMs();
  const filter: InboxFilter = {
    unread: args.unread,
    from: toServerFilter("from", args.from),
    kind: args.kind,
    sinceWallMs: toSince(args.since, nowWallMs),
    labels: args.label.map(toLabelFilter),
    limit: parseCount("limit", args.limit),
  };
  await withSession(args, async (session) => {
    await refreshIndex(session, args);
    const index = session.mailbox().index();
    const messages = listInbox(index, filter);
    const unread = countUnread(index);
    const { server } = session.mailbox().identity;
    if (args.json) {
      printJson("inbox", { server, unread, messages: messages.map(toMessageJson) });
      return;
    }
    const style = openStyle(args);
    printText(safe`${style.bold(server)}: ${unread} unread`);
    if (messages.length === 0) {
      printText(args.unread ? "Nothing unread" : "No messages");
      return;
    }
    const rows = messages.map((one) => {
      const isNew = one.readWallMs === null && !one.history;
      const ack = one.message.ack_required === true && one.ackedWallMs === null ? "ack?" : "";
      return [
        isNew ? style.green("●") : "",
        shortId(one.message.id),
        one.message.from,
        recipientsOf(one.message),
        writtenAt(one.message, nowWallMs),
        safe`${markOf(one.message, style)} ${ack}`,
        isNew ? style.bold(one.message.subject) : one.message.subject,
      ];
    });
    const columns = [
      { title: "" },
      { title: "ID", keepWhole: true },
      { title: "FROM" },
      { title: "TO" },
      { title: "WRITTEN" },
      { title: "MARK" },
      { title: "SUBJECT" },
    ];
    printText(renderTable({ columns, rows }, style, terminalWidth()));
  });
}
