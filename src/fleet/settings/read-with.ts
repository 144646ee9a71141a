import * as v from "valibot";
import type { Result } from "../../base/result.ts";

/** A number or text that `parse` understands. */
export function readWith(parse: (value: number | string) => Result<number>) {
  return v.pipe(
    v.union([v.number(), v.string()]),
    v.rawTransform<number | string, number>(({ dataset, addIssue, NEVER }) => {
      const parsed = parse(dataset.value);
      if (parsed.ok) return parsed.value;
      addIssue({ message: parsed.error });
      return NEVER;
    }),
  );
}
