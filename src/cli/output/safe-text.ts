// Two kinds of text reach the terminal: words of strangers, which must become visible first, and our own colours, which
// must not. A `SafeText` is text that has crossed that boundary. Only this file and its neighbours here make one; a plain
// string is always a stranger's, so whoever forgets the boundary prints something ugly, never something dangerous.
import { toVisible } from "../../base/visible-text.ts";

/** Text a terminal may get as it is, made by `safe`, `toSafeText`, a `Style` or a renderer in this folder. */
export class SafeText {
  readonly #text: string;
  /** Trusts `text` as it is: for this folder only, never for anything that came from outside. */
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

/** A piece of a line: a string is made visible on one line, a `SafeText` stays as it is. */
export type Piece = string | SafeText;

/** `text` made visible; with `keepNewlines` for a whole message body, otherwise on one line. */
export const toSafeText = (text: string, options: { readonly keepNewlines?: boolean } = {}): SafeText =>
  new SafeText(toVisible(text, options));

/** A line in our own words with pieces of any origin: ``safe`Sent ${id} to ${style.bold(name)}` ``. */
export function safe(words: TemplateStringsArray, ...pieces: readonly (Piece | number)[]): SafeText {
  const parts = words.map((word, index) => word + render(pieces[index] ?? ""));
  return new SafeText(parts.join(""));
}

/** Several pieces as lines. */
export const joinLines = (pieces: readonly Piece[]): SafeText =>
  new SafeText(pieces.map((piece) => render(piece)).join("\n"));

const render = (piece: Piece | number): string =>
  typeof piece === "string" ? toVisible(piece) : String(piece);
