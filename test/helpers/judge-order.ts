/** Something that was asked for at a time and stands at a place; a part of `fleet-checker.ts`. */
export interface Placed<Send> {
  readonly send: Send;
  readonly place: number;
}

/** Pairs of sends of which the first had ended before the second started, and stands behind it. */
export function judgePlaces<Send extends { readonly startedWallMs: number; readonly endedWallMs: number }>(
  placed: readonly Placed<Send>[],
): { before: Send; after: Send }[] {
  const ended = placed.toSorted((a, b) => a.send.endedWallMs - b.send.endedWallMs);
  const pairs: { before: Send; after: Send }[] = [];
  let next = 0;
  // Of all that had ended, the one furthest in the log is the one to compare with.
  let furthest: Placed<Send> | undefined;
  for (const one of placed.toSorted((a, b) => a.send.startedWallMs - b.send.startedWallMs)) {
    for (let past = ended[next]; past !== undefined; past = ended[next]) {
      if (past.send.endedWallMs >= one.send.startedWallMs) break;
      furthest = furthest === undefined || past.place > furthest.place ? past : furthest;
      next += 1;
    }
    if (furthest !== undefined && furthest.place > one.place) {
      pairs.push({ before: furthest.send, after: one.send });
    }
  }
  return pairs;
}
