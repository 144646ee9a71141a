import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError } from "../base/errors.ts";

/**
 * Lets the user write a message in `$VISUAL` or `$EDITOR`, as git does. Nothing written is nothing sent.
 * @throws FleetError USAGE when there is no editor or the text stayed empty
 */
export async function editBody(): Promise<string> {
  const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "";
  const [command, ...words] = editor.split(/\s+/).filter((word) => word !== "");
  if (command === undefined) {
    throw new FleetError("USAGE", "Cannot send without a body: none was given and EDITOR is not set", {
      hint: 'fleetd send "text" "subject" --to ID',
    });
  }
  const folder = mkdtempSync(join(tmpdir(), "fleetd-message-"));
  try {
    const path = join(folder, "message.txt");
    writeFileSync(path, "", { mode: 0o600 });
    const child = Bun.spawn([command, ...words, path], { stdio: ["inherit", "inherit", "inherit"] });
    if ((await child.exited) !== 0)
      throw new FleetError("USAGE", `Cannot send: "${editor}" ended with ${child.exitCode}`);
    const body = readFileSync(path, "utf8").trimEnd();
    if (body === "") throw new FleetError("USAGE", "Cannot send an empty message: nothing was written");
    return body;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
