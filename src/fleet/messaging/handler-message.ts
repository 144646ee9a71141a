/** What a handler is given of a message, and what becomes of its words. */
import { fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { LIMITS, type MessageEntry, threadOf } from "./model.ts";

/** Facts of one run that a handler may want to know. */
export interface RunFacts {
  readonly server: string;
  readonly rule: string;
  /** From 1. */
  readonly attempt: number;
}

/** The message as a handler reads it: one JSON object on one line, the entry with its defaults and the run's facts. */
export const handlerInput = (message: MessageEntry, facts: RunFacts): Uint8Array =>
  toUtf8(
    `${JSON.stringify({
      ...message,
      kind: message.kind ?? "info",
      priority: message.priority ?? "normal",
      thread: threadOf(message),
      server: facts.server,
      rule: facts.rule,
      attempt: facts.attempt,
    })}\n`,
  );

/** The same in the environment, for handlers that read no JSON. Texts of others come without control characters. */
export function handlerVariables(message: MessageEntry, facts: RunFacts): Record<string, string> {
  const variables = {
    FLEETD_SERVER: facts.server,
    FLEETD_RULE: facts.rule,
    FLEETD_ATTEMPT: String(facts.attempt),
    FLEETD_MESSAGE_ID: message.id,
    FLEETD_FROM: message.from,
    FLEETD_TO: message.to.join(","),
    FLEETD_KIND: message.kind ?? "info",
    FLEETD_PRIORITY: message.priority ?? "normal",
    FLEETD_THREAD: threadOf(message),
    FLEETD_SUBJECT: message.subject,
  };
  return Object.fromEntries(
    // A NUL ends a variable for the system, and a line end would make one variable look like two.
    Object.entries(variables).map(([name, value]) => [name, value.replace(/[\p{Cc}\p{Cs}]/gu, " ")]),
  );
}

/** Said at the end of an answer that is not whole. */
const CUT = "\n[cut here: the handler wrote more]";

/** What a handler wrote, as the body of a message: valid, within the limit of the format, without its last line end. */
export function handlerText(bytes: Uint8Array, isCut: boolean): string {
  const text = new TextDecoder().decode(bytes).trimEnd();
  const roomBytes = LIMITS.bodyBytesMax - toUtf8(CUT).length;
  const encoded = toUtf8(text);
  if (!isCut && encoded.length <= LIMITS.bodyBytesMax) return text;
  // A cut may go through a character, and then leaves a sign for what cannot be read.
  const kept =
    fromUtf8(encoded.subarray(0, roomBytes)) ?? new TextDecoder().decode(encoded.subarray(0, roomBytes));
  return `${kept.replace(/\uFFFD$/u, "")}${CUT}`;
}
