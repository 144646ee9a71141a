/** The first circle in a graph, as the names on it with the first one again at its end; null when there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  for (const name of graph.keys()) {
    const cycle = cycleFrom(name, graph, done);
    if (cycle !== null) return cycle;
  }
  return null;
}

/** Walks down from `start` without recursion: a chain may be as long as there are names. */
function cycleFrom(
  start: string,
  graph: ReadonlyMap<string, readonly string[]>,
  done: Set<string>,
): readonly string[] | null {
  const way: { readonly name: string; readonly next: string[] }[] = [];
  const places = new Map<string, number>();
  const enter = (name: string): void => {
    places.set(name, way.length);
    way.push({ name, next: [...(graph.get(name) ?? [])] });
  };
  if (!done.has(start)) enter(start);
  for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
    const next = top.next.shift();
    if (next === undefined) {
      done.add(top.name);
      places.delete(top.name);
      way.pop();
      continue;
    }
    const first = places.get(next);
    if (first !== undefined) return [...way.slice(first).map(({ name }) => name), next];
    if (!done.has(next)) enter(next);
  }
  return null;
}
