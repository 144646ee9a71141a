import { FleetError } from "../base/errors.ts";
import type { QueueItem } from "../fleet/messaging/queue.ts";
import { parseIdPart, requireOne } from "./id-part.ts";

/** What was typed: ids, or the flag that means all entries for which `all` holds (null: not given). */
export interface QueueChoice {
  readonly ids: readonly string[];
  readonly all: ((item: QueueItem) => boolean) | null;
  readonly flag: string;
}

/**
 * The entries of the queue that were meant, each once, in the order of the queue.
 * @throws FleetError USAGE when nothing or both were given, or no id; BAD_INPUT for an id of none or of several
 */
export function chooseQueued(items: readonly QueueItem[], choice: QueueChoice): QueueItem[] {
  const { ids, all, flag } = choice;
  if ((ids.length === 0) === (all === null)) {
    throw new FleetError("USAGE", `Cannot tell which entries are meant: need ids or ${flag}`);
  }
  if (all !== null) return items.filter(all);
  const chosen = new Set(ids.map((id) => findQueued(items, id)));
  return items.filter((item) => chosen.has(item));
}

function findQueued(items: readonly QueueItem[], part: string): QueueItem {
  const wanted = parseIdPart(part);
  const matches = items.filter((item) => item.id.startsWith(wanted) || item.id.endsWith(wanted));
  return requireOne(matches, part, "nothing with that id waits in the queue");
}
