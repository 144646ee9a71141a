import type { Result } from "../result.ts";
import type { ObjectFormat } from "./git-store.ts";

/**
 * Why the remote did not do what was asked. `detail` is git's own words: hostile text, at most 2,000 characters.
 * - `unreachable`: no answer (connection, name, missing file repository, transport died); waiting may help
 * - `timeout`: the deadline, or the caller's signal, ended git and its helpers
 * - `unauthorised`: the remote answered that we may not (authentication or permission)
 * - `format-mismatch`: the remote uses the other object format
 * - `no-repository`: the remote answered that there is no repository
 * - `failed`: git failed in another way
 */
export interface RemoteFailure {
  readonly kind: "unreachable" | "timeout" | "unauthorised" | "format-mismatch" | "no-repository" | "failed";
  readonly detail: string;
  /** Set where the remote asked to be left alone for so long, ms; 0: it did not say how long. */
  readonly retryAfterMs?: number;
}

/** One ref to move. `expected`: undefined = fast-forward only; an id = replace exactly that (lease); null = create only. `id` null deletes (needs `expected`). */
export interface RefUpdate {
  readonly ref: string;
  readonly id: string | null;
  readonly expected?: string | null;
}

/**
 * What became of one ref.
 * - `stale`: not a fast-forward, or the lease does not match: somebody else moved it
 * - `busy`: the remote could not lock the ref (another push, or a lock left behind), or the ref is not to blame: another
 *   one of the same atomic push failed, or one before it where refs are pushed one by one; retry
 * - `refused`: the remote's policy refuses it (hook, hidden ref, denied deletion or replacement)
 */
export interface RefReport {
  readonly ref: string;
  readonly status: "pushed" | "up-to-date" | "stale" | "busy" | "refused";
  /** git's reason, hostile text; empty when pushed. */
  readonly reason: string;
}

export interface RemoteOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The git remote of the fleet as seen from one store. Every call ends by its deadline and leaves no process behind. */
export interface GitRemote {
  /** What an operator may read: the URL without user and password. */
  readonly displayUrl: string;
  /** The repository's folder if the remote is a file remote, else null. */
  readonly folder: string | null;
  /** Fetches `refspecs` into the store (no tags, no FETCH_HEAD, pruning what vanished), with `depth` only so many commits of each. `changed`: some ref moved. */
  fetch(
    refspecs: readonly string[],
    options: RemoteOptions & { readonly depth?: number },
  ): Promise<Result<{ changed: boolean }, RemoteFailure>>;
  /** Pushes; `atomic`: all refs or none (falls back to one by one, in order, stopping at the first that fails, where the remote cannot). */
  push(
    updates: readonly RefUpdate[],
    options: RemoteOptions & { readonly atomic: boolean },
  ): Promise<Result<RefReport[], RemoteFailure>>;
  /** Refs that start with one of `prefixes`, name to id, without fetching; and the remote's object format if it told. */
  listRefs(
    prefixes: readonly string[],
    options: RemoteOptions,
  ): Promise<Result<{ refs: Map<string, string>; format: ObjectFormat | null }, RemoteFailure>>;
  /** Whether `listRefs` costs no process (a file remote, plain HTTP); then a poll lists before it fetches. */
  listsCheaply(): Promise<boolean>;
  /** Removes a lock that a killed push left on `ref`, one of our own refs; what was done in words, null for nothing. */
  clearStaleLock(ref: string, nowWallMs: number): string | null;
}
