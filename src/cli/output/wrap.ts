import { type Piece, SafeText, safe } from "./safe-text.ts";

/** How a paragraph is set: in lines of at most `width` columns, the first after `first`, the others indented as far. */
export interface WrapOptions {
  readonly first: Piece;
  readonly width: number;
}

// Narrower than this every word would be broken. Chosen, not measured.
const TEXT_WIDTH_MIN = 16;

/** `text` as a paragraph: broken between words, a word that is longer than a line (a path) anywhere. */
export function wrap(text: Piece, { first, width }: WrapOptions): SafeText {
  const head = String(safe`${first}`);
  const indent = " ".repeat(Bun.stringWidth(head));
  const columns = Math.max(TEXT_WIDTH_MIN, width - indent.length);
  const lines = Bun.wrapAnsi(String(safe`${text}`), columns, { hard: true }).split("\n");
  return new SafeText(lines.map((line, at) => `${at === 0 ? head : indent}${line}`).join("\n"));
}
