import type { GitRemote } from "../base/ports/git-remote.ts";
import type { CheckStage, NetworkCheck } from "../base/ports/network-check.ts";

/** One step on the way to the remote, the question to git included. */
export interface ConnectivityStep extends Omit<CheckStage, "name"> {
  readonly name: CheckStage["name"] | "git";
}

/** Whether the remote can be reached, step by step; steps end with the first that failed. */
export interface Connectivity {
  readonly success: boolean;
  /** What was connected to, without credentials: `host:port` or a folder; empty when only git was asked. */
  readonly target: string;
  /** Why the network was not looked at apart from git; null when it was. */
  readonly skipped: string | null;
  readonly steps: readonly ConnectivityStep[];
  /** What failed, hostile text; null on success. */
  readonly failure: string | null;
}

/** Looks at the way to a remote (name, connection, TLS) and then asks git one real question. Never throws for the remote's faults. */
export async function testConnectivity(
  ports: { readonly check: NetworkCheck; readonly remote: GitRemote },
  options: {
    /** Refs that are asked for. */
    readonly prefix: string;
    readonly networkTimeoutMs: number;
    readonly gitTimeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<Connectivity> {
  const { signal } = options;
  const looked = await ports.check.check({ timeoutMs: options.networkTimeoutMs, signal });
  const { target, skipped, stages } = looked;
  if (!looked.ok) return { success: false, target, skipped, steps: stages, failure: looked.failure };
  const startMs = performance.now();
  const listed = await ports.remote.listRefs([options.prefix], { timeoutMs: options.gitTimeoutMs, signal });
  const durationMs = performance.now() - startMs;
  const detail = listed.ok ? `${listed.value.refs.size} refs of the fleet` : listed.error.detail;
  const git: ConnectivityStep = { name: "git", ok: listed.ok, durationMs, detail };
  const failure = listed.ok ? null : `${listed.error.kind}: ${listed.error.detail}`;
  return { success: listed.ok, target, skipped, steps: [...stages, git], failure };
}
