/** Something that happened at a time; RFC 3339 in UTC, so that text order is time order. */
type Timed = { readonly timestamp: string };

/**
 * Several lists as one, the earlier line first. Each list keeps its own order, also where a clock was set back in it,
 * and of two lines of the same time the one of the earlier list comes first.
 */
export function mergeLines<T extends Timed>(lists: readonly (readonly T[])[]): readonly T[] {
  const [first = [], ...others] = lists.filter((list) => list.length > 0);
  return others.reduce<readonly T[]>((merged, list) => mergeTwo(merged, list), first);
}

function mergeTwo<T extends Timed>(left: readonly T[], right: readonly T[]): readonly T[] {
  const merged: T[] = [];
  let at = 0;
  for (const line of right) {
    for (let next = left[at]; next !== undefined && next.timestamp <= line.timestamp; next = left[at]) {
      merged.push(next);
      at += 1;
    }
    merged.push(line);
  }
  return [...merged, ...left.slice(at)];
}
