import { truncate } from "./display-width.ts";
import type { AnswerStream } from "./print-answer.ts";
import { SafeText } from "./safe-text.ts";
import { screenSize } from "./terminal.ts";

/** Shows one page after another. */
export type Screen = { readonly show: (page: SafeText) => void };

const HOME = "\u001B[H";
const CLEAR_REST_OF_LINE = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";

/** The screen of this process: on a terminal in place, elsewhere page after page, each only when it differs. */
export function openScreen(stream: AnswerStream): Screen {
  let last = "";
  return {
    show(page) {
      const text = String(page);
      const size = screenSize();
      if (size === null) {
        if (text !== last) stream.text(new SafeText(last === "" ? text : `\n${text}`));
        last = text;
        return;
      }
      // The first page clears what was there; the next ones only overwrite, so nothing flickers.
      stream.text(new SafeText(`${last === "" ? `${HOME}${CLEAR_BELOW}` : HOME}${fitPage(text, size)}`));
      last = text;
    },
  };
}

/** A page in a window: lines that are too many are counted, since a screen that scrolls cannot be overwritten. */
export function fitPage(text: string, size: { readonly columns: number; readonly rows: number }): string {
  const lines = text.split("\n");
  const room = Math.max(2, size.rows - 1);
  const shown = lines.length <= room ? lines : lines.slice(0, room - 1);
  const more = lines.length - shown.length;
  const all = more === 0 ? shown : [...shown, `… ${more} more lines`];
  return all.map((line) => truncate(line, size.columns) + CLEAR_REST_OF_LINE).join("\n") + CLEAR_BELOW;
}
