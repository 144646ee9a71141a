import type { RemoteFailure } from "../base/ports/git-remote.ts";

/** The two things that are done with a remote. */
export type Operation = "fetch" | "push";

/**
 * What a failure says about the remote.
 * - `again`: no answer, or a kind nobody knows; another try may help
 * - `final`: it answered, and will answer the same in a moment; counts against the remote
 * - `answered`: it is there and said no to this push; nothing is known against it
 * - `limited`: it is there and asks to be left alone for a while
 */
export type Verdict = "again" | "final" | "answered" | "limited";

/** Judges one failure. */
export function judgeFailure(operation: Operation, { kind, retryAfterMs }: RemoteFailure): Verdict {
  if (retryAfterMs !== undefined) return "limited";
  if (kind === "unreachable" || kind === "timeout") return "again";
  if (kind === "failed") return operation === "push" ? "answered" : "again";
  return "final";
}
