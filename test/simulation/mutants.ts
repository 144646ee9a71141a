/**
 * fleetd, broken on purpose in one way each: what the simulation is worth is what it finds in these. Each breaks a
 * part through a port, so that the code that decides stays as it is.
 */
import type { GitRemote } from "../../src/base/ports/git-remote.ts";
import type { SimFile } from "./sim-database.ts";

/** One way of being broken. */
export interface Mutant {
  readonly name: string;
  /** What it does, for a person. */
  readonly does: string;
  /** The rules of which it breaks one, sooner or later. */
  readonly breaks: readonly string[];
  /** No transaction waits for the disk. */
  readonly isForgetful?: boolean;
  /** Transactions with such a statement do not wait for the disk. */
  readonly forgets?: string;
  /** The sender hears "queued" before anything was written. */
  readonly answersBeforeItIsSafe?: boolean;
  /** How messages are answered instead of by fleetd's rules. */
  readonly answers?: "everything-once";
  /** The remote as this server uses it. */
  readonly remote?: (remote: GitRemote, state: SimFile) => GitRemote;
  /** What a plan has more of, so that there is something to break. */
  readonly focus?: "power" | "crashes" | "pushes" | "talk";
}

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "dedup-only",
    does: "answers every message once, and nothing else keeps it from answering",
    breaks: ["bound"],
    answers: "everything-once",
    focus: "talk",
  },
  {
    name: "early-answer",
    does: "says queued before the message is on the disk",
    breaks: ["lost"],
    answersBeforeItIsSafe: true,
    focus: "crashes",
  },
  {
    name: "no-fsync",
    does: "never waits for the disk",
    breaks: ["lost", "waiting", "answer-lost"],
    isForgetful: true,
    focus: "power",
  },
  {
    name: "late-journal",
    does: "starts a handler before the disk knows that it does",
    breaks: ["handled-twice"],
    forgets: "UPDATE runs SET state = 'started'",
    focus: "power",
  },
  {
    name: "blind-rebuild",
    does: "builds a batch anew after a push without an answer, without looking at the remote",
    breaks: ["lost", "waiting"],
    remote: forgetUnanswered,
    focus: "pushes",
  },
  {
    name: "hopeful-push",
    does: "takes a push without an answer for one that arrived",
    breaks: ["lied"],
    remote: believeUnanswered,
    focus: "pushes",
  },
];

function forgetUnanswered(remote: GitRemote, state: SimFile): GitRemote {
  return wrap(remote, async (updates, options) => {
    const pushed = await remote.push(updates, options);
    if (!pushed.ok) state.forgetBuilt();
    return pushed;
  });
}

function believeUnanswered(remote: GitRemote): GitRemote {
  return wrap(remote, async (updates, options) => {
    const pushed = await remote.push(updates, options);
    if (pushed.ok) return pushed;
    return { ok: true, value: updates.map(({ ref }) => ({ ref, status: "pushed", reason: "" })) };
  });
}

const wrap = (remote: GitRemote, push: GitRemote["push"]): GitRemote => ({
  displayUrl: remote.displayUrl,
  folder: remote.folder,
  push,
  fetch: (refspecs, options) => remote.fetch(refspecs, options),
  listRefs: (prefixes, options) => remote.listRefs(prefixes, options),
  listsCheaply: () => remote.listsCheaply(),
  clearStaleLock: (ref, nowWallMs) => remote.clearStaleLock(ref, nowWallMs),
});
