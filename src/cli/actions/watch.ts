import { lastPosition, nextInbox } from "../../fleet/messaging/mailbox-queries.ts";
import { systemClock } from "../../platform/clock.ts";
import { commandSignal } from "../command-signal.ts";
import { toLabelFilter, toServerFilter, toSince } from "../filters.ts";
import { refreshIndex } from "../look.ts";
import { renderLine, toMessageJson } from "../message-views.ts";
import { openAnswerStream } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { openStyle } from "../output/terminal.ts";
import { withSession } from "../session.ts";
import { waitUntil } from "../wait-until.ts";

/** The arguments of `watch`, as typed. */
export interface WatchArguments {
  readonly from: string | undefined;
  readonly kind: string | undefined;
  readonly label: readonly string[];
  readonly since: string | undefined;
  readonly thread: string | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** An hour at a time; the loop below starts the next one. */
const ROUND_MS = 3_600_000;

/** Prints every message to this server as it arrives, until interrupted. With `--json` one object per line. */
export async function watch(args: WatchArguments): Promise<void> {
  const from = toServerFilter("from", args.from);
  const labels = args.label.map(toLabelFilter);
  const sinceWallMs = toSince(args.since, systemClock.wallMs());
  await withSession(args, async (session) => {
    await refreshIndex(session, { offline: false });
    const index = session.mailbox().index();
    const stream = openAnswerStream();
    const style = openStyle(args);
    const { kind, thread } = args;
    let afterPosition = sinceWallMs === undefined ? lastPosition(index) : 0;
    while (!commandSignal().aborted) {
      const filter = { from, kind, labels, thread, sinceWallMs, afterPosition, limit: 1 };
      const found = await waitUntil(session, ROUND_MS, () => nextInbox(index, filter));
      if (found === null) continue;
      afterPosition = found.position;
      if (args.json) stream.json("watch", { message: toMessageJson(found) });
      else stream.text(safe`${style.dim(found.message.at)}  ${renderLine(found.message, style)}`);
    }
  });
}
