import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/errors.ts";
import type { ProbeAnswer, ProbeQuestion } from "../../base/ports/prober.ts";
import { waitForGroup } from "../group-run.ts";
import { HAS_PROCESS_GROUPS } from "../process-group.ts";
import { absoluteParts } from "../search-path.ts";

type ExecQuestion = Extract<ProbeQuestion, { kind: "exec" }>;

/** More of what a probe writes is read and dropped. */
const OUTPUT_BYTES_MAX = 4 * 1024;
const DETAIL_LENGTH_MAX = 300;

const NOT_WAITED_FOR: ProbeAnswer = { isWell: false, detail: "it was not waited for" };

/** Asks a program: 0 is well. It leads a process group of its own, of which nothing is left afterwards. */
export async function askByProgram(
  { command, cwd, environment }: ExecQuestion,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  if (signal.aborted) return NOT_WAITED_FOR;
  const [name = "", ...args] = command;
  const program = Bun.which(name, { PATH: absoluteParts(environment["PATH"] ?? "") });
  if (program === null) return { isWell: false, detail: `no program "${name}" that may be run` };
  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn([program, ...args], {
      cwd,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: HAS_PROCESS_GROUPS,
      windowsHide: true,
    });
  } catch (thrown) {
    return { isWell: false, detail: `"${program}" does not start: ${messageOf(thrown)}` };
  }
  const { ended, exitCode, stdout, stderr } = await waitForGroup(child, {
    timeoutMs,
    signal,
    stdoutBytesMax: OUTPUT_BYTES_MAX,
    stderrBytesMax: OUTPUT_BYTES_MAX,
    tooMuch: "cut",
  });
  if (ended === "timeout") return { isWell: false, detail: `no answer within ${formatDuration(timeoutMs)}` };
  if (ended !== "exited") return NOT_WAITED_FOR;
  const said = (new TextDecoder().decode(stdout).trim() || stderr.trim()).slice(0, DETAIL_LENGTH_MAX);
  return {
    isWell: exitCode === 0,
    detail: said === "" ? `exit code ${exitCode}` : `exit code ${exitCode}: ${said}`,
  };
}
