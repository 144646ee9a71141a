/**
 * Runs an operator's program on a message: in a process group of its own, in a private empty folder, with a small clean
 * environment, without a shell, and never longer than it may.
 */
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { keptVariables } from "../base/kept-variables.ts";
import type {
  HandlerCall,
  HandlerOutcome,
  HandlerRunner,
  LeftProcess,
} from "../base/ports/handler-runner.ts";
import { makePrivateFolder, removeTree } from "./files.ts";
import { waitForGroup } from "./group-run.ts";
import { endGroup, HAS_PROCESS_GROUPS } from "./process-group.ts";
import { groupsWithVariable, startOfProcess } from "./process-identity.ts";
import { absoluteParts } from "./search-path.ts";

/** What goes into a log line; the rest of stderr is read and dropped. */
const STDERR_BYTES_MAX = 8 * 1024;

/** The variable that tells a handler's processes from all others. */
const TOKEN_VARIABLE = "FLEETD_RUN";

/** Opens the runner of one server; its handlers work in folders of their own below `folder`. */
export function openHandlerRunner(
  folder: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HandlerRunner {
  const kept = keptVariables(environment);
  return {
    async run(call) {
      const place = join(folder, call.token);
      makePrivateFolder(place);
      const outcome = await runIn(place, call, kept);
      const trouble = tryRemove(place);
      if (trouble === null || outcome.ended === "impossible") return outcome;
      return { ...outcome, stderr: `${outcome.stderr}\n${trouble}` };
    },
    async endLeft(left) {
      const groups = groupsOf(left);
      await Promise.all(groups.map((group) => endGroup(group)));
      // What cannot be removed takes room and nothing else; the run is taken up all the same.
      tryRemove(join(folder, left.token));
      return groups.length > 0;
    },
  };
}

/** What a handler left in its folder is not worth losing what it came to; in words what was in the way, or null. */
function tryRemove(place: string): string | null {
  try {
    removeTree(place);
    return null;
  } catch (thrown) {
    return `Cannot remove "${place}": ${messageOf(thrown)}`;
  }
}

async function runIn(
  place: string,
  call: HandlerCall,
  kept: Readonly<Record<string, string>>,
): Promise<HandlerOutcome> {
  if (call.signal.aborted) return { ended: "aborted", stderr: "" };
  const child = spawn(place, call, kept);
  if ("reason" in child) return { ended: "impossible", reason: child.reason };
  try {
    call.onStarted({ pid: child.pid, pidStarted: startOfProcess(child.pid) });
  } catch (thrown) {
    // A run that could not be written down must not go on unseen.
    await endGroup(child.pid);
    throw thrown;
  }
  const { ended, stderr, ...run } = await waitForGroup(child, {
    timeoutMs: call.timeoutMs,
    signal: call.signal,
    stdoutBytesMax: call.outputBytesMax,
    stderrBytesMax: STDERR_BYTES_MAX,
    tooMuch: "cut",
  });
  if (ended === "timeout" || ended === "aborted") return { ended, stderr };
  return { ended: "exited", exitCode: run.exitCode, stdout: run.stdout, isCut: run.isCut, stderr };
}

function spawn(
  place: string,
  call: HandlerCall,
  kept: Readonly<Record<string, string>>,
): Bun.Subprocess<Uint8Array, "pipe", "pipe"> | { readonly reason: string } {
  const [name = "", ...args] = call.command;
  const program = Bun.which(name, { PATH: absoluteParts(kept["PATH"] ?? "") });
  if (program === null) return { reason: `no program "${name}" that may be run` };
  try {
    return Bun.spawn([program, ...args], {
      cwd: place,
      env: { ...kept, ...call.variables, [TOKEN_VARIABLE]: call.token },
      stdin: call.input,
      stdout: "pipe",
      stderr: "pipe",
      detached: HAS_PROCESS_GROUPS,
      windowsHide: true,
    });
  } catch (thrown) {
    return { reason: `"${program}" does not start: ${messageOf(thrown)}` };
  }
}

/**
 * The process groups that are left of a run. On Linux the token in the environment says so, which no other process has,
 * and a known id must fit as well. Elsewhere an id counts only together with its start.
 */
function groupsOf({ token, pid, pidStarted }: LeftProcess): number[] {
  if (process.platform === "linux") {
    const groups = groupsWithVariable(TOKEN_VARIABLE, token);
    return pid === null ? groups : groups.filter((group) => group === pid);
  }
  if (pid === null || pidStarted === null) return [];
  return startOfProcess(pid) === pidStarted ? [pid] : [];
}
