import { existsSync } from "node:fs";
import { causedBy, errorCodeOf, FleetError } from "../../base/errors.ts";
import { waitForGroup } from "../group-run.ts";
import { ioError } from "../io-error.ts";
import { HAS_PROCESS_GROUPS } from "../process-group.ts";
import { leaveOutCurrentFolder } from "../search-path.ts";

/** Room for the headers of some fifty HTTP exchanges, of which a fetch makes a few. */
const STDERR_BYTES_MAX = 256 * 1024;

/**
 * Settings of every git call, stronger than the configuration of user, system and repository: no hooks or helpers
 * that a repository could plant, no background work, no prompts, and nothing beside the refs that were named.
 */
const FIXED_SETTINGS: readonly string[] = [
  `core.hooksPath=${process.platform === "win32" ? "NUL" : "/dev/null"}`,
  "core.fsmonitor=false",
  "core.alternateRefsCommand=true",
  // One that somebody's tidying left may name commits that are gone, and would make a whole store look damaged.
  "core.commitGraph=false",
  "gc.auto=0",
  "maintenance.auto=false",
  // One writer's odd object must not make the fetch of everybody else's refs fail.
  "fetch.fsckObjects=false",
  "transfer.fsckObjects=false",
  "fetch.unpackLimit=100",
  "transfer.unpackLimit=100",
  "fetch.recurseSubmodules=no",
  "fetch.writeCommitGraph=false",
  "fetch.showForcedUpdates=false",
  "fetch.output=full",
  "submodule.recurse=false",
  "protocol.version=2",
  "protocol.ext.allow=never",
  "protocol.fd.allow=never",
  "push.gpgSign=false",
  "push.followTags=false",
  "push.recurseSubmodules=no",
  "push.useForceIfIncludes=false",
  "push.negotiate=false",
  // Empty clears the list: a remote without push options would refuse the push.
  "push.pushOption=",
  "credential.interactive=never",
  "transfer.credentialsInUrl=allow",
  "init.templateDir=",
  "color.ui=false",
  "advice.pushUpdateRejected=false",
];

const FIXED_ARGUMENTS: readonly string[] = FIXED_SETTINGS.flatMap((setting) => ["-c", setting]);

/** One call of git. `args` start with the subcommand; whatever a user typed stands behind `--`. */
export interface GitCall {
  readonly args: readonly string[];
  /** The repository: working folder and `--git-dir` at once, so nothing is discovered. */
  readonly folder: string;
  /** As made by `gitEnvironment`. */
  readonly environment: Record<string, string>;
  readonly input?: Uint8Array;
  /** A larger answer ends the call as `overflow`. */
  readonly stdoutBytesMax: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** How a call ended. `stderr` is hostile text, cut at 256 KiB. `exitCode` is null unless git exited by itself. */
export interface GitOutcome {
  readonly ended: "exited" | "timeout" | "aborted" | "overflow";
  readonly exitCode: number | null;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** The words of a git command line on `folder`, with the fixed settings. */
export function gitCommand(folder: string, args: readonly string[]): string[] {
  leaveOutCurrentFolder();
  return ["git", `--git-dir=${folder}`, ...FIXED_ARGUMENTS, ...args];
}

/**
 * Runs git in a process group of its own. When the promise settles, no process of the group is left: not after a
 * timeout or abort, nor helpers (ssh, git-remote-http, receive-pack) that outlived git.
 * @throws FleetError UNAVAILABLE when there is no git, IO when `folder` is missing
 */
export async function runGit(call: GitCall): Promise<GitOutcome> {
  if (call.signal.aborted) return { ended: "aborted", exitCode: null, stdout: new Uint8Array(), stderr: "" };
  const { ended, exitCode, stdout, stderr } = await waitForGroup(spawnGit(call), {
    timeoutMs: call.timeoutMs,
    signal: call.signal,
    stdoutBytesMax: call.stdoutBytesMax,
    stderrBytesMax: STDERR_BYTES_MAX,
    tooMuch: "end",
  });
  return { ended, exitCode: ended === "exited" ? exitCode : null, stdout, stderr };
}

type GitChild = Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe">;

function spawnGit(call: GitCall): GitChild {
  try {
    return Bun.spawn(gitCommand(call.folder, call.args), {
      cwd: call.folder,
      env: call.environment,
      stdin: call.input ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: HAS_PROCESS_GROUPS,
      windowsHide: true,
    });
  } catch (thrown) {
    throw spawnError(call.folder, thrown);
  }
}

/** Why git could not be started: a missing working folder and a missing git both read ENOENT. */
export function spawnError(folder: string, thrown: unknown): FleetError {
  if (errorCodeOf(thrown) === "IO") return ioError(`Cannot run git in "${folder}"`, thrown);
  if (!existsSync(folder)) {
    return causedBy("IO", `Cannot run git in "${folder}": the folder is missing`, thrown);
  }
  return new FleetError("UNAVAILABLE", "Cannot run git: it was not found on the PATH", {
    cause: thrown,
    hint: "Install git 2.25 or newer",
  });
}
