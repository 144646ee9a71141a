import type { ServiceLine } from "../../base/ports/service-log.ts";
import { parseServiceLine } from "../../base/service-line.ts";
import { linesBackward, listLogParts } from "../log-reader.ts";

/** The last `count` lines of the log `name` in `folder`, oldest first; only as much is read as they need. */
export function lastLines(folder: string, name: string, count: number): readonly ServiceLine[] {
  const lines: ServiceLine[] = [];
  for (const { path } of listLogParts(folder, name)) {
    for (const text of linesBackward(path)) {
      if (lines.length >= count) return lines.reverse();
      const line = parseServiceLine(text);
      if (line !== null) lines.push(line);
    }
  }
  return lines.reverse();
}
