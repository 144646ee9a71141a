/**
 * Regular expressions of an operator that meet lines of somebody else. The engine tries one way after the other, so a
 * pattern that has very many ways to match can take for ever; what may be used has few, and lines are cut.
 */

/** A line is looked at to here, characters. With at most two repetitions that is a second at the very worst. */
export const LINE_LENGTH_MAX = 1_024;

const REPETITIONS_MAX = 2;

/** Why a pattern may not be used; null when it may. */
export function patternProblem(text: string): string | null {
  try {
    new RegExp(text, "u");
  } catch {
    return "it is no regular expression";
  }
  if (/(?<!\\)(?:\\\\)*\\(?:[1-9]|k<)/.test(text)) return "it refers back, which can take for ever";
  // Characters that are escaped or stand in a class neither group nor repeat.
  const plain = text.replace(/\\./gsu, "x").replace(/\[[^\]]*\]/g, "x");
  if (/\(\?(?:=|!|<=|<!)/.test(plain)) return "it looks around, which can take for ever";
  if (hasRepeatedRepetition(plain)) return "it repeats what repeats or branches, which can take for ever";
  const repetitions = plain.match(/[*+{]/g)?.length ?? 0;
  return repetitions > REPETITIONS_MAX
    ? `it repeats in ${repetitions} places, need at most ${REPETITIONS_MAX}, else it can take for ever`
    : null;
}

/** Whether a group in which something repeats or branches is repeated itself. */
function hasRepeatedRepetition(plain: string): boolean {
  let rest = plain;
  for (;;) {
    // The innermost groups first; what is in them stands for itself from then on.
    const group = /\((?<inner>[^()]*)\)(?<repeated>[*+{])?/.exec(rest);
    if (group === null) return false;
    const { inner = "", repeated } = group.groups ?? {};
    const isOpenEnded = /[*+{|]/.test(inner);
    if (isOpenEnded && repeated !== undefined) return true;
    const stand = isOpenEnded ? "|" : "x";
    rest = `${rest.slice(0, group.index)}${stand}${repeated ?? ""}${rest.slice(group.index + group[0].length)}`;
  }
}

/** The part of a line that a pattern is tried on. */
export const boundedLine = (line: string): string => line.slice(0, LINE_LENGTH_MAX);
