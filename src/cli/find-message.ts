import type { Database } from "../base/ports/database.ts";
import { findById } from "../fleet/messaging/mailbox-queries.ts";
import type { IndexedMessage } from "../fleet/messaging/message-index.ts";
import { parseIdPart, requireOne } from "./id-part.ts";

/**
 * The message whose id starts or ends with `part`.
 * @throws FleetError USAGE when it cannot be an id; BAD_INPUT when there is none or more than one
 */
export const requireMessage = (index: Database, part: string): IndexedMessage =>
  requireOne(findById(index, parseIdPart(part)), part, "no such message is here");
