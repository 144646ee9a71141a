/** Columns `text` takes in a terminal: wide characters count two, colours and combining marks none. */
export const displayWidth = (text: string): number => Bun.stringWidth(text);

/** `text` cut to at most `width` columns with `…` at its end; colours are closed, no character is broken. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const cut = Bun.sliceAnsi(text, 0, Math.max(0, width), "…");
  // Bun 1.4.5 lets a wide character at the edge stand out by one column.
  return displayWidth(cut) <= width ? cut : Bun.sliceAnsi(text, 0, width - 1, "…");
}
