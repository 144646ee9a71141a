import { displayWidth, truncate } from "./display-width.ts";
import { type Piece, SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** `piece` in exactly `width` columns: cut, or filled up with spaces. */
export function cell(piece: Piece, width: number, align: "left" | "right" = "left"): SafeText {
  const text = truncate(String(safe`${piece}`), width);
  const padding = " ".repeat(Math.max(0, width - displayWidth(text)));
  return new SafeText(align === "right" ? padding + text : text + padding);
}

/** `piece` in at most `width` columns. */
export const clip = (piece: Piece, width: number): SafeText =>
  new SafeText(truncate(String(safe`${piece}`), width));

/** Columns that a piece takes. */
export const widthOf = (piece: Piece): number => displayWidth(String(safe`${piece}`));

/** Pieces side by side with `gap` between those that say something. */
export const joinPieces = (pieces: readonly Piece[], gap: string): SafeText =>
  new SafeText(
    pieces
      .map((piece) => String(safe`${piece}`))
      .filter((text) => text !== "")
      .join(gap),
  );

/** The pieces in their order, as many as fit into `width`; what does not fit is left out. */
export function fitPieces(pieces: readonly Piece[], gap: string, width: number): SafeText {
  const fitting: Piece[] = [];
  let used = 0;
  for (const piece of pieces) {
    const size = widthOf(piece);
    if (size === 0) continue;
    const needed = size + (fitting.length === 0 ? 0 : gap.length);
    if (used + needed > width && fitting.length > 0) continue;
    fitting.push(piece);
    used += needed;
  }
  return clip(joinPieces(fitting, gap), width);
}

/** One piece at either end of a line of `width` columns; the right one goes where there is no room for both. */
export function spread(left: Piece, right: Piece, width: number): SafeText {
  const [leftWidth, rightWidth] = [widthOf(left), widthOf(right)];
  if (leftWidth + rightWidth + 2 > width) return clip(left, width);
  return safe`${left}${" ".repeat(width - leftWidth - rightWidth)}${right}`;
}

/** A line across with words in it: `── services ───── by name ──`. */
export function rule(left: Piece, right: Piece, width: number, style: Style): SafeText {
  const head = safe`${style.dim("──")} ${left} `;
  const tail = widthOf(right) === 0 ? safe`` : safe` ${right} ${style.dim("──")}`;
  const room = width - widthOf(head) - widthOf(tail);
  if (room < 1) return widthOf(right) === 0 ? clip(head, width) : rule(left, "", width, style);
  return safe`${head}${style.dim("─".repeat(room))}${tail}`;
}

/** A share of something as a bar of `width` columns. */
export function gauge(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
