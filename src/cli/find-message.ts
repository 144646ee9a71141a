import { FleetError } from "../base/errors.ts";
import type { Database } from "../base/ports/database.ts";
import { findById } from "../fleet/messaging/mailbox-queries.ts";
import type { IndexedMessage } from "../fleet/messaging/message-index.ts";

/** Ids may be shortened to this many characters; fewer would match by chance. */
const PREFIX_MIN = 4;

/**
 * The message whose id starts or ends with `part`.
 * @throws FleetError BAD_INPUT when there is none or more than one
 */
export function requireMessage(index: Database, part: string): IndexedMessage {
  const wanted = part.toLowerCase();
  if (!/^[0-9a-f-]+$/.test(wanted) || wanted.length < PREFIX_MIN) {
    throw new FleetError(
      "USAGE",
      `Cannot read message id "${part.slice(0, 80)}": need at least 4 characters of 0-9, a-f and "-"`,
    );
  }
  const [found, second] = findById(index, wanted);
  if (found === undefined) throw new FleetError("BAD_INPUT", `Cannot find message "${part}": it is not here`);
  if (second === undefined) return found;
  throw new FleetError("BAD_INPUT", `Cannot choose message "${part}": several ids start or end with it`, {
    hint: "Give more characters of the id",
  });
}
