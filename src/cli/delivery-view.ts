/** What became of a sent message, as a page: one line that says it all, and a line per recipient. */
import { firstLineOf } from "../base/errors.ts";
import { fromInstant } from "../base/instant.ts";
import type { Delivery, Recipient } from "../fleet/messaging/delivery.ts";
import { summarizeDelivery } from "../fleet/messaging/delivery-summary.ts";
import { formatRelativeTime } from "./output/relative-time.ts";
import { joinLines, type Piece, type SafeText, safe } from "./output/safe-text.ts";
import type { Style } from "./output/style.ts";
import { renderTable } from "./output/table.ts";

/** The delivery of one message. */
export function renderDelivery(
  delivery: Delivery,
  screen: { readonly style: Style; readonly width: number; readonly nowWallMs: number },
): SafeText {
  const { style, width, nowWallMs } = screen;
  const reason = firstLineOf(delivery.reason);
  const head = safe`${style.bold(summarizeDelivery(delivery, nowWallMs))}${reason === "" ? "" : safe`  ${reason}`}`;
  if (delivery.recipients.length === 0) return head;
  const ago = (at: string | null | undefined): string =>
    at === null || at === undefined ? "" : formatRelativeTime(fromInstant(at), nowWallMs);
  const rows = delivery.recipients.map((one): Piece[] => [
    one.server,
    colourOf(one, style),
    ago(one.times.seen),
    ago(one.times.read),
    ago(one.times.acked),
    ago(one.times.handled),
    one.lastSeenAt === null ? "never" : ago(one.lastSeenAt),
    one.via === "" ? "" : `${one.via} when it was sent`,
  ]);
  const columns = [
    { title: "SERVER" },
    { title: "STATE", keepWhole: true },
    { title: "SEEN" },
    { title: "READ" },
    { title: "ACKED" },
    { title: "HANDLED" },
    { title: "LAST HEARD OF" },
    { title: "IN GROUP" },
  ];
  return joinLines([head, renderTable({ columns, rows }, style, width)]);
}

/** How far a message got with one recipient; what a handler came to is its exit code. */
export const stateOf = ({ state, exitCode }: Recipient): string =>
  state === "handled" && exitCode !== null ? `handled(${exitCode})` : state;

function colourOf(one: Recipient, style: Style): Piece {
  if (one.state === "dead" || one.state === "expired" || one.state === "refused") return style.red(one.state);
  if (one.state === "queued" || one.state === "pushed") return style.yellow(one.state);
  return (one.exitCode ?? 0) === 0 ? style.green(stateOf(one)) : style.red(stateOf(one));
}
