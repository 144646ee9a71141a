import { formatDuration, parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { lastPosition, nextInbox } from "../../fleet/messaging/mailbox-queries.ts";
import { systemClock } from "../../platform/clock.ts";
import { toLabelFilter, toServerFilter } from "../filters.ts";
import { refreshIndex } from "../look.ts";
import { renderMessage, toMessageJson } from "../message-views.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { openStyle } from "../output/terminal.ts";
import { typed, withSession } from "../session.ts";
import { waitUntil } from "../wait-until.ts";

/** The arguments of `wait`, as typed. */
export interface WaitArguments {
  readonly thread: string | undefined;
  readonly from: string | undefined;
  readonly kind: string | undefined;
  readonly label: readonly string[];
  readonly unread: boolean;
  readonly timeout: string;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/**
 * Blocks until a message that fits arrives, and prints it; with `unread` one that is here already does too.
 * @throws FleetError NOT_YET at the timeout
 */
export async function wait(args: WaitArguments): Promise<void> {
  const timeoutMs: number = typed(parseDuration(args.timeout));
  const from = toServerFilter("from", args.from);
  const labels = args.label.map(toLabelFilter);
  await withSession(args, async (session) => {
    // What arrived before this moment is not what is waited for, unless it was asked for.
    await refreshIndex(session, { offline: !args.unread });
    const index = session.mailbox().index();
    const { thread, kind, unread } = args;
    const afterPosition = unread ? 0 : lastPosition(index);
    const filter = { thread, from, kind, labels, unread, afterPosition, limit: 1 };
    const found = await waitUntil(session, timeoutMs, () => nextInbox(index, filter));
    if (found === null) {
      const message = `Cannot show a message: none came within ${formatDuration(timeoutMs)}`;
      throw new FleetError("NOT_YET", message);
    }
    if (args.json) printJson("wait", { message: toMessageJson(found) });
    else printText(renderMessage(found, openStyle(args), systemClock.wallMs()));
  });
}
