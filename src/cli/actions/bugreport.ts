import { resolve } from "node:path";
import { formatSize } from "../../base/size.ts";
import { writeArchive } from "../../platform/archive.ts";
import { gatherReport } from "../bugreport.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { renderTable } from "../output/table.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";

/** The arguments of `bugreport`, as typed. */
export interface BugreportArguments {
  readonly output: string | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

const LEFT_OUT = "No key, no message text or subject, no value of a variable is in it; it was sent nowhere.";

/** Writes the report and lists what is in it. An existing file is never overwritten: exit code 73. */
export async function bugreport(args: BugreportArguments): Promise<void> {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const path = resolve(args.output ?? `fleetd-bugreport-${stamp}.tar.gz`);
  const files = await gatherReport(args);
  const sizeBytes = await writeArchive(
    path,
    Object.fromEntries(files.map(({ name, content }) => [name, content])),
  );
  const listed = files.map(({ name, content, redacted }) => ({
    name,
    bytes: Buffer.byteLength(content),
    redacted,
  }));
  if (args.json) {
    printJson("bugreport", { path, bytes: sizeBytes, files: listed });
    return;
  }
  const style = openStyle(args);
  const rows = listed.map((file) => [
    file.name,
    formatSize(file.bytes),
    file.redacted === 0 ? "nothing" : `${file.redacted} ${file.redacted === 1 ? "place" : "places"}`,
  ]);
  const columns = [{ title: "FILE" }, { title: "SIZE", align: "right" as const }, { title: "TAKEN OUT" }];
  printText(renderTable({ columns, rows }, style, terminalWidth()));
  printText(LEFT_OUT);
  printText(safe`Written: ${style.bold(path)} (${formatSize(sizeBytes)})`);
}
