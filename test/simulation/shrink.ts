/**
 * Making a failure small: delta debugging over what happened from outside. Whatever is left out changes the rest of the
 * run, so a smaller schedule counts when the same rule is broken in it, wherever.
 */
import type { Plan } from "./happening.ts";
import type { Outcome } from "./simulate.ts";

/** A plan with only these happenings. */
export function only(plan: Plan, ids: readonly number[]): Plan {
  const kept = new Set(ids);
  return { ...plan, happenings: plan.happenings.filter(({ id }) => kept.has(id)) };
}

/** What shrinking came to. */
export interface Shrunk {
  readonly ids: readonly number[];
  readonly runs: number;
}

/**
 * The fewest happenings found that still break `rule`; `play` makes a run. Ends early when `mayGoOn` says so.
 */
export function shrink(
  plan: Plan,
  rule: string,
  play: (plan: Plan) => Outcome,
  mayGoOn: (runs: number) => boolean,
): Shrunk {
  let ids = plan.happenings.map(({ id }) => id);
  let runs = 0;
  const fails = (some: readonly number[]): boolean => {
    runs += 1;
    return play(only(plan, some)).broken.some((one) => one.rule === rule);
  };
  for (let parts = 2; ids.length > 0 && mayGoOn(runs); ) {
    const size = Math.ceil(ids.length / parts);
    const smaller = withoutEach(ids, size).find((some) => mayGoOn(runs) && fails(some));
    if (smaller !== undefined) {
      ids = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      break;
    } else {
      parts = Math.min(ids.length, parts * 2);
    }
  }
  return { ids, runs };
}

/** `ids` without one part of this size, for each part. */
function withoutEach(ids: readonly number[], size: number): number[][] {
  const starts = Array.from({ length: Math.ceil(ids.length / size) }, (_, number) => number * size);
  return starts.map((start) => [...ids.slice(0, start), ...ids.slice(start + size)]);
}
