import type {
  GitRemote,
  RefReport,
  RefUpdate,
  RemoteFailure,
  RemoteOptions,
} from "../../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { readRepositoryFormat } from "./bare-repository.ts";
import { runGit } from "./git-process.ts";
import type { ListedRefs } from "./http-refs.ts";
import { RemoteLister } from "./list-refs.ts";
import { parsePushReport } from "./push-report.ts";
import { removeAbandonedLock, removeStaleRefLock } from "./ref-locks.ts";
import { parseRemoteAddress, type RemoteAddress, repositoryFolder } from "./remote-address.ts";
import { isLocalDamage, type RemoteOutcome, toRemoteFailure } from "./remote-failure.ts";
import { RemoteSettings } from "./remote-settings.ts";
import { HEADER_TRACE, takeHeaders } from "./retry-after.ts";

const REPORT_BYTES_MAX = 1024 * 1024;
/** git's exit code for an option it does not know. */
const EXIT_USAGE = 129;

/** What a remote is opened with. `environment` is made by `gitEnvironment`. */
export interface RemoteSource {
  readonly url: string;
  readonly storeFolder: string;
  readonly environment: Record<string, string>;
}

/**
 * The remote of the fleet, reached through the git executable, so the user's ssh, credential helpers and proxies
 * work. A call that is aborted answers `timeout`.
 * @throws FleetError USAGE when the URL cannot be one
 */
export function openGitRemote(source: RemoteSource): GitRemote {
  return new ExecutableRemote(source);
}

type FetchOptions = Parameters<GitRemote["fetch"]>[1];

class ExecutableRemote implements GitRemote {
  readonly displayUrl: string;
  readonly #address: RemoteAddress;
  readonly #storeFolder: string;
  readonly #settings: RemoteSettings;
  readonly #lister: RemoteLister;
  #knowsFetchHead = true;

  constructor(source: RemoteSource) {
    this.#address = parseRemoteAddress(source.url);
    this.displayUrl = this.#address.displayUrl;
    this.#storeFolder = source.storeFolder;
    this.#settings = new RemoteSettings(this.#address, source.storeFolder, source.environment);
    this.#lister = new RemoteLister(this.#address, this.#settings, (args, options, added) =>
      this.#run(args, options, added),
    );
  }

  get folder(): string | null {
    return this.#address.path === null ? null : repositoryFolder(this.#address.path);
  }

  async fetch(
    refspecs: readonly string[],
    options: FetchOptions,
  ): Promise<Result<{ changed: boolean }, RemoteFailure>> {
    let outcome = await this.#fetch(refspecs, options);
    if (outcome.exitCode !== 0 && this.#clearOwnLocks(outcome.stderr)) {
      outcome = await this.#fetch(refspecs, options);
    }
    if (outcome.exitCode !== 0) return fail(toRemoteFailure(outcome, this.#address, options.timeoutMs));
    // One line for each ref that moved: " * [new ref]  log/a -> refs/fleet/log/a".
    return ok({ changed: / -> /.test(outcome.stderr) });
  }

  async #fetch(refspecs: readonly string[], options: FetchOptions): Promise<RemoteOutcome> {
    const depth = options.depth === undefined ? [] : [`--depth=${options.depth}`];
    const rest = ["--no-tags", "--prune", ...depth, "--", this.#address.target, ...refspecs];
    let outcome = await this.#run(
      ["fetch", ...(this.#knowsFetchHead ? ["--no-write-fetch-head"] : []), ...rest],
      options,
    );
    if (outcome.exitCode === EXIT_USAGE && this.#knowsFetchHead) {
      // Before git 2.29: FETCH_HEAD is written, to nobody's harm.
      this.#knowsFetchHead = false;
      outcome = await this.#run(["fetch", ...rest], options);
    }
    return outcome;
  }

  /** Removes the locks in the own store that a fetch named and that a killed one left; true when there were any. */
  #clearOwnLocks(stderr: string): boolean {
    const lines = stderr.split("\n").filter((line) => !line.startsWith("remote: "));
    const paths = lines.flatMap((line) => /Unable to create '(.+\.lock)': File exists/.exec(line)?.[1] ?? []);
    const own = paths.filter((path) => path.startsWith(`${this.#storeFolder}/`) && !path.includes("/../"));
    return own.filter((path) => removeAbandonedLock(this.#storeFolder, path, Date.now())).length > 0;
  }

  async push(
    updates: readonly RefUpdate[],
    options: RemoteOptions & { readonly atomic: boolean },
  ): Promise<Result<RefReport[], RemoteFailure>> {
    if (updates.length === 0) return ok([]);
    const outcome = await this.#run(pushArguments(updates, options.atomic, this.#address.target), options);
    if (options.atomic && outcome.stderr.includes("does not support --atomic push")) {
      return this.#pushOneByOne(updates, options);
    }
    const stdout = new TextDecoder().decode(outcome.stdout);
    // What it could not send the remote refuses; that is no word of the remote about what was to be sent.
    const isAnswer = outcome.ended === "exited" && (outcome.exitCode === 0 || !isLocalDamage(outcome.stderr));
    const reports = isAnswer ? parsePushReport(updates, stdout, outcome.stderr) : null;
    return reports === null ? fail(toRemoteFailure(outcome, this.#address, options.timeoutMs)) : ok(reports);
  }

  listRefs(prefixes: readonly string[], options: RemoteOptions): Promise<Result<ListedRefs, RemoteFailure>> {
    return this.#lister.list(prefixes, options);
  }

  async listsCheaply(): Promise<boolean> {
    return this.folder === null
      ? await this.#settings.isPlainHttp()
      : readRepositoryFormat(this.folder)?.refs === "files";
  }

  clearStaleLock(ref: string, nowWallMs: number): string | null {
    if (this.folder === null) return null;
    const finding = removeStaleRefLock(this.folder, ref, nowWallMs);
    return finding.outcome === "removed" ? `removed "${finding.path}", left by a push that was killed` : null;
  }

  /** In order, stopping at the first that is refused; those behind it were not tried and are reported as busy. */
  async #pushOneByOne(
    updates: readonly RefUpdate[],
    options: RemoteOptions,
  ): Promise<Result<RefReport[], RemoteFailure>> {
    const reports: RefReport[] = [];
    const deadlineMs = performance.now() + options.timeoutMs;
    let stopped = false;
    for (const update of updates) {
      if (stopped) {
        reports.push({ ref: update.ref, status: "busy", reason: "not tried: a ref before it failed" });
        continue;
      }
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      const result = await this.push([update], { signal: options.signal, timeoutMs, atomic: false });
      if (!result.ok) return result;
      reports.push(...result.value);
      stopped = result.value.some((report) => report.status !== "pushed" && report.status !== "up-to-date");
    }
    return ok(reports);
  }

  async #run(
    args: readonly string[],
    options: RemoteOptions,
    added: Record<string, string> = {},
  ): Promise<RemoteOutcome> {
    const isHttp = this.#address.transport === "http";
    const traced = isHttp ? HEADER_TRACE : {};
    const environment = { ...(await this.#settings.environment()), ...traced, ...added };
    const outcome = await runGit({
      args,
      folder: this.#storeFolder,
      environment,
      stdoutBytesMax: args[0] === "ls-remote" ? 32 * REPORT_BYTES_MAX : REPORT_BYTES_MAX,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    });
    return isHttp ? { ...outcome, ...takeHeaders(outcome.stderr) } : outcome;
  }
}

function pushArguments(updates: readonly RefUpdate[], atomic: boolean, target: string): string[] {
  const leases = updates.flatMap(({ ref, expected }) =>
    expected === undefined ? [] : [`--force-with-lease=${ref}:${expected ?? ""}`],
  );
  const refspecs = updates.map(({ ref, id }) => `${id ?? ""}:${ref}`);
  return [
    "push",
    "--porcelain",
    "--no-verify",
    ...(atomic ? ["--atomic"] : []),
    ...leases,
    "--",
    target,
    ...refspecs,
  ];
}
