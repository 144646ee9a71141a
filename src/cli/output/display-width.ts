/** Columns `text` takes in a terminal: wide characters count two, colours and combining marks none. */
export const displayWidth = (text: string): number => Bun.stringWidth(text);

/** `text` cut to at most `width` columns with `…` at its end; colours are closed, no character is broken. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  // Bun 1.4.5 measures a slice otherwise than a string (wide characters at the edge, musical symbols), so the slice is
  // made smaller until the string fits.
  for (let columns = Math.max(0, width); columns > 0; columns -= 1) {
    const cut = Bun.sliceAnsi(text, 0, columns, "…");
    if (displayWidth(cut) <= width) return cut;
  }
  return "";
}
