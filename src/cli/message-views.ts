/** How messages look on a screen and in JSON, the same in every command that shows some. */
import { fromInstant } from "../base/instant.ts";
import { type InboxMessage, recipientsOf, shortId } from "../fleet/messaging/mailbox-queries.ts";
import type { IndexedMessage } from "../fleet/messaging/message-index.ts";
import type { MessageEntry } from "../fleet/messaging/model.ts";
import { formatRelativeTime } from "./output/relative-time.ts";
import { joinLines, type Piece, type SafeText, safe, toSafeText } from "./output/safe-text.ts";
import type { Style } from "./output/style.ts";

/** A message as JSON shows it: the entry as it is on the wire, and what is known of it here. */
export function toMessageJson(one: IndexedMessage | InboxMessage): Record<string, unknown> {
  return {
    ...one.message,
    kind: one.message.kind ?? "info",
    priority: one.message.priority ?? "normal",
    history: one.history,
    received_at: new Date(one.receivedWallMs).toISOString(),
    ...("readWallMs" in one ? { read: one.readWallMs !== null, acked: one.ackedWallMs !== null } : {}),
  };
}

/** Priorities above normal, and kinds that want something, in colour. */
export function markOf(message: MessageEntry, style: Style): Piece {
  const priority = message.priority ?? "normal";
  if (priority === "critical") return style.red("critical");
  if (priority === "high") return style.yellow("high");
  const kind = message.kind ?? "info";
  if (kind === "error") return style.red("error");
  if (kind === "warning") return style.yellow("warning");
  return kind === "info" ? "" : kind;
}

/** When a message was written, by its sender's clock. */
export const writtenAt = (message: MessageEntry, nowWallMs: number): string =>
  formatRelativeTime(fromInstant(message.at), nowWallMs);

/** A whole message: a head of a few lines, and its text. */
export function renderMessage(one: IndexedMessage, style: Style, nowWallMs: number): SafeText {
  const { message } = one;
  const facts = [
    `id ${message.id}`,
    ...(message.thread === undefined ? [] : [`thread ${message.thread}`]),
    ...(message.ack_required === true ? ["asks for an ack"] : []),
    ...(message.auto === true ? ["automatic"] : []),
    ...Object.entries(message.labels ?? {}).map(([name, value]) => `${name}=${value}`),
  ];
  return joinLines([
    safe`${style.bold(message.subject)}  ${markOf(message, style)}`,
    safe`${style.cyan(message.from)} → ${message.to.join(", ")}  ${writtenAt(message, nowWallMs)}`,
    style.dim(facts.join("  ")),
    "",
    toSafeText(message.body, { keepNewlines: true }),
  ]);
}

/** One line for a message that just came. */
export const renderLine = (message: MessageEntry, style: Style): SafeText =>
  safe`${style.cyan(message.from)} → ${recipientsOf(message)}  ${style.bold(message.subject)}  ${style.dim(shortId(message.id))}`;
