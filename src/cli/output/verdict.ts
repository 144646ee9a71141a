import type { Verdict } from "../../fleet/health/model.ts";
import { type SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { wrap } from "./wrap.ts";

const LIGHTS = { ok: "●", warn: "●", critical: "●", unknown: "?" } as const;
const MARKS = { ok: "✓", warn: "!", critical: "✗", unknown: "?" } as const;

const paintOf = (verdict: Verdict, style: Style) =>
  ({ ok: style.green, warn: style.yellow, critical: style.red, unknown: style.yellow })[verdict];

/** The light of a verdict in a table. */
export const lightOf = (verdict: Verdict, style: Style): SafeText => paintOf(verdict, style)(LIGHTS[verdict]);

/** A verdict in its colour. */
export const paintVerdict = (verdict: Verdict, text: string, style: Style): SafeText =>
  paintOf(verdict, style)(text);

/** Something that was judged, and what to do about it on a line of its own; nothing is cut. */
export function renderProblem(
  problem: { readonly verdict: Verdict; readonly evidence: string; readonly fix: string | null },
  style: Style,
  width: number,
): SafeText {
  const { verdict, evidence, fix } = problem;
  const mark = paintVerdict(verdict, MARKS[verdict], style);
  const lines = wrap(evidence, { first: safe`  ${mark} `, width });
  if (fix === null) return lines;
  return joined(lines, wrap(style.bold(fix), { first: safe`    ${style.dim("→")} `, width }));
}

const joined = (one: SafeText, other: SafeText): SafeText => safe`${one}
${other}`;
