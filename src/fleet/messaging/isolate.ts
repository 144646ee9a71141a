/**
 * Finding what a remote refuses among many entries, by pushing halves: one bad one among n costs about 2 log2(n)
 * pushes, and everything else goes through in its order.
 */

/** What became of one push: `stop` when nobody answered, or the search has to end. */
export type Attempt = "pushed" | "refused" | "stop";

/** What the search came to. Whatever is in neither list was pushed. */
export interface Isolated<T> {
  /** Refused by itself, alone. */
  readonly refused: readonly T[];
  /** The search ended before it got there. */
  readonly untried: readonly T[];
}

/**
 * Pushes `parts` one after the other, and halves of those that are refused, until `attempt` says stop. The parts of a
 * part come in its place, so what is accepted keeps its order.
 */
export async function isolate<T>(
  parts: readonly (readonly T[])[],
  attempt: (part: readonly T[]) => Promise<Attempt>,
): Promise<Isolated<T>> {
  const waiting = parts.filter((part) => part.length > 0).toReversed();
  const refused: T[] = [];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const outcome = await attempt(part);
    if (outcome === "stop") return { refused, untried: [...part, ...waiting.toReversed().flat()] };
    if (outcome === "pushed") continue;
    if (part.length === 1) refused.push(...part);
    else waiting.push(...halves(part).toReversed());
  }
  return { refused, untried: [] };
}

/** The first half, the larger one if they differ, and the second. */
export function halves<T>(part: readonly T[]): (readonly T[])[] {
  const middle = Math.ceil(part.length / 2);
  return [part.slice(0, middle), part.slice(middle)];
}
