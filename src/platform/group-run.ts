/**
 * Waits for a child that leads a process group of its own, and never longer than it may. When the promise settles, no
 * process of the group is left: not after a deadline or an abort, nor what outlived the child.
 */
import { ByteReader } from "./byte-reader.ts";
import { endGroup, isGroupEmpty } from "./process-group.ts";

/** How long what was left behind may keep the pipes open (an ssh master that detached itself keeps stderr for hours). */
const PIPE_GRACE_MS = 300;

/** A timer that is set to more fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What bounds a run. */
export interface GroupLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly stdoutBytesMax: number;
  readonly stderrBytesMax: number;
  /** What becomes of a child that writes more than `stdoutBytesMax`: ended, or read on and cut. */
  readonly tooMuch: "end" | "cut";
}

/** How a run ended. `exitCode` means something after `exited` only; `stderr` is hostile text. */
export interface GroupRun {
  readonly ended: "exited" | "timeout" | "aborted" | "overflow";
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly isCut: boolean;
  readonly stderr: string;
}

/** See the head of this file. `child` was started with `detached: HAS_PROCESS_GROUPS`. */
export async function waitForGroup(
  child: Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe">,
  limits: GroupLimits,
): Promise<GroupRun> {
  const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
  let ended: GroupRun["ended"] = "exited";
  let ending: Promise<void> | null = null;
  let isCut = false;
  const stop = (why: GroupRun["ended"]): void => {
    if (ending !== null) return;
    ended = why;
    ending = endGroup(child.pid);
  };
  const onTooMuch = (): void => {
    isCut = true;
    if (limits.tooMuch === "end") stop("overflow");
  };
  const onAbort = (): void => stop("aborted");
  const timer = setTimeout(stop, Math.min(limits.timeoutMs, TIMER_MS_MAX), "timeout");
  limits.signal.addEventListener("abort", onAbort, { once: true });
  // Of an abort that came before nobody is told.
  if (limits.signal.aborted) onAbort();
  try {
    const output = Promise.all([
      stdout.rest(limits.stdoutBytesMax, onTooMuch),
      stderr.rest(limits.stderrBytesMax, () => undefined),
    ]);
    const exitCode = await child.exited;
    // Whatever the child left in its group had its time.
    if (ending === null && !isGroupEmpty(child.pid)) ending = endGroup(child.pid);
    await ending;
    await closePipes(output, [stdout, stderr]);
    const [outBytes, errorBytes] = await output;
    return { ended, exitCode, stdout: outBytes, isCut, stderr: new TextDecoder().decode(errorBytes) };
  } finally {
    clearTimeout(timer);
    limits.signal.removeEventListener("abort", onAbort);
  }
}

/** Pipes that are open still belong to somebody who left the group; what came until now is what there is. */
async function closePipes(output: Promise<unknown>, readers: readonly ByteReader[]): Promise<void> {
  const { promise: waited, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PIPE_GRACE_MS);
  await Promise.race([output, waited]);
  clearTimeout(timer);
  await Promise.all(readers.map((reader) => reader.cancel()));
}
