import { FleetError } from "../base/errors.ts";
import type { QueueItem } from "../fleet/messaging/queue.ts";

/** Ids may be shortened to this many characters; fewer would match by chance. */
const PART_MIN = 4;

/** What was typed: ids, or the flag that means all entries for which `all` holds (null: not given). */
export interface QueueChoice {
  readonly ids: readonly string[];
  readonly all: ((item: QueueItem) => boolean) | null;
  readonly flag: string;
}

/**
 * The entries of the queue that were meant, each once, in the order of the queue.
 * @throws FleetError USAGE when nothing or both were given; BAD_INPUT for an id of none or of several
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
  const wanted = part.toLowerCase();
  if (!/^[0-9a-f-]+$/.test(wanted) || wanted.length < PART_MIN) {
    throw new FleetError(
      "USAGE",
      `Cannot read id "${part.slice(0, 80)}": need at least 4 characters of 0-9, a-f and "-"`,
    );
  }
  const matches = items.filter((item) => item.id.startsWith(wanted) || item.id.endsWith(wanted));
  const [found, second] = matches;
  if (found === undefined) {
    throw new FleetError("BAD_INPUT", `Cannot find "${part}" in the queue: nothing with that id waits`);
  }
  if (second === undefined) return found;
  throw new FleetError("BAD_INPUT", `Cannot choose "${part}": several ids start or end with it`, {
    hint: "Give more characters of the id",
  });
}
