// One mistake in three letters is a slip; more is another word. Chosen, not measured.
const LETTERS_PER_MISTAKE = 3;
const PREFIX_LENGTH_MIN = 2;

/**
 * The candidate somebody who typed `word` most likely meant, or `undefined` when none is near.
 * Swapped, missing, surplus and wrong letters count one each; case counts nothing; a beginning of a candidate is near.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = distanceBetween(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `", did you mean \"--to\"?"`, or `""` when nothing is near: the tail of a message about an unknown word. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = suggest(word, candidates);
  return near === undefined ? "" : `, did you mean "${near}"?`;
}

function distanceBetween(word: string, candidate: string): number {
  // The dashes of a flag are not what was mistyped, so they earn no mistakes.
  const letters = candidate.replace(/^-+/, "").length;
  const distanceMax = Math.max(1, Math.floor(letters / LETTERS_PER_MISTAKE));
  // A word far longer than the candidate cannot be near: this also bounds the work for a pasted novel.
  if (word.length > candidate.length + distanceMax) return Number.POSITIVE_INFINITY;
  const distance = countEdits(word, candidate);
  if (distance <= distanceMax) return distance;
  const typed = word.replace(/^-+/, "").length;
  // Just above every real slip, so that a slip of one word beats the beginning of another.
  return typed >= PREFIX_LENGTH_MIN && candidate.startsWith(word)
    ? candidate.length
    : Number.POSITIVE_INFINITY;
}

// Optimal string alignment: Levenshtein's table, and one step for two neighbours that changed places.
function countEdits(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const edits = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped && row > 1 && column > 1 ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

const at = (row: readonly number[], column: number): number => row[column] ?? Number.POSITIVE_INFINITY;
