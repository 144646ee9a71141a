import { causedBy, FleetError, firstLineOf, messageOf } from "../base/errors.ts";
import { waitForGroup } from "./group-run.ts";
import { HAS_PROCESS_GROUPS } from "./process-group.ts";

/** More than a program says that was asked for one line. Chosen. */
const OUTPUT_BYTES_MAX = 64 * 1024;

/** Runs a program with the environment of this one, and answers its stdout. @throws FleetError FAILED unless it ends with 0 */
export async function tryProgram(
  words: readonly string[],
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string> {
  const called = words.join(" ");
  const run = await waitForGroup(start(words), {
    ...limits,
    stdoutBytesMax: OUTPUT_BYTES_MAX,
    stderrBytesMax: OUTPUT_BYTES_MAX,
    tooMuch: "end",
  });
  const stdout = new TextDecoder().decode(run.stdout);
  if (run.ended === "exited" && run.exitCode === 0) return stdout;
  const how = run.ended === "exited" ? `code ${run.exitCode}` : run.ended;
  const said = firstLineOf(run.stderr) || firstLineOf(stdout);
  throw new FleetError("FAILED", `"${called}" ended with ${how}${said === "" ? "" : `: ${said}`}`);
}

function start(words: readonly string[]) {
  try {
    return Bun.spawn([...words], { stdio: ["ignore", "pipe", "pipe"], detached: HAS_PROCESS_GROUPS });
  } catch (thrown) {
    throw causedBy("FAILED", `"${words.join(" ")}" does not start: ${messageOf(thrown)}`, thrown);
  }
}
