import { fail, ok, type Result } from "../../base/result.ts";
import { systemGitEnvironment } from "./git-environment.ts";
import { runGit } from "./git-process.ts";

/** Packing a store of months takes seconds; chosen with room, not measured. */
const TIMEOUT_MS = 10 * 60_000;

/**
 * Packs a repository and removes what nothing needs and is older than an hour: every card leaves three objects behind
 * when the next one replaces it. The caller holds the lock of whoever writes there.
 */
export async function maintainRepository(folder: string, signal: AbortSignal): Promise<Result<null>> {
  const outcome = await runGit({
    args: ["gc", "--quiet", "--prune=1.hour.ago"],
    folder,
    environment: systemGitEnvironment(),
    stdoutBytesMax: 64 * 1024,
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  if (outcome.exitCode === 0) return ok(null);
  return fail(`Cannot tidy "${folder}": git gc ${outcome.ended}: ${outcome.stderr.slice(0, 500)}`);
}
