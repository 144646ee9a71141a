import type { LogLevel } from "../../base/log-line.ts";
import type { Piece, SafeText } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** The colour of a level. */
export function paintOf(level: LogLevel, style: Style): (piece: Piece) => SafeText {
  switch (level) {
    case "DEBUG":
      return style.dim;
    case "INFO":
      return style.green;
    case "WARNING":
      return style.yellow;
    case "ERROR":
    case "CRITICAL":
      return style.red;
  }
}
