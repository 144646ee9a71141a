import { FleetError } from "../../base/errors.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { readRepositoryFormat } from "./bare-repository.ts";
import { HttpRefs, type Limited, type ListedRefs } from "./http-refs.ts";
import { readRefFiles } from "./ref-files.ts";
import { type RemoteAddress, repositoryFolder } from "./remote-address.ts";
import { type RemoteOutcome, toRemoteFailure } from "./remote-failure.ts";
import type { RemoteSettings } from "./remote-settings.ts";

/** Runs git towards the remote, with variables added to its environment. */
type Run = (
  args: readonly string[],
  options: RemoteOptions,
  added?: Record<string, string>,
) => Promise<RemoteOutcome>;

/**
 * Lists refs in the cheapest way the remote allows: the files of a file remote (0.1 ms), one HTTP request on a
 * kept-alive connection, or `git ls-remote`, to which the remote sends all of its refs.
 */
export class RemoteLister {
  readonly #address: RemoteAddress;
  readonly #settings: RemoteSettings;
  readonly #run: Run;
  #http: HttpRefs | null = null;
  #httpWorks = true;

  constructor(address: RemoteAddress, settings: RemoteSettings, run: Run) {
    this.#address = address;
    this.#settings = settings;
    this.#run = run;
  }

  /** As `GitRemote.listRefs`. */
  async list(
    prefixes: readonly string[],
    options: RemoteOptions,
  ): Promise<Result<ListedRefs, RemoteFailure>> {
    const { path } = this.#address;
    const fromFiles = path === null ? null : listFiles(repositoryFolder(path), prefixes);
    if (fromFiles !== null) return fromFiles;
    const deadlineMs = performance.now() + options.timeoutMs;
    const listed = await this.#listByHttp(prefixes, options);
    if (listed !== null && "retryAfterMs" in listed) {
      const detail = `The host answered ${listed.status}: too many requests`;
      return fail({ kind: "unreachable", detail, retryAfterMs: listed.retryAfterMs });
    }
    if (listed !== null) return ok(listed);
    const timeoutMs = Math.max(1, deadlineMs - performance.now());
    return this.#listByGit(prefixes, { timeoutMs, signal: options.signal });
  }

  async #listByHttp(
    prefixes: readonly string[],
    options: RemoteOptions,
  ): Promise<ListedRefs | Limited | null> {
    if (!this.#httpWorks || !(await this.#settings.isPlainHttp())) return null;
    this.#http ??= new HttpRefs(this.#address.target);
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
    const answer = await this.#http.list(prefixes, signal);
    // What answered otherwise once (password asked, redirect, no protocol 2) will do so again; git handles it.
    if (answer === "unexpected") this.#httpWorks = false;
    return answer === "unexpected" || answer === "unreachable" ? null : answer;
  }

  async #listByGit(
    prefixes: readonly string[],
    options: RemoteOptions,
  ): Promise<Result<ListedRefs, RemoteFailure>> {
    const patterns = prefixes.map((prefix) => `${prefix}*`);
    const outcome = await this.#run(
      ["ls-remote", "--refs", "--", this.#address.target, ...patterns],
      options,
    );
    if (outcome.exitCode !== 0) return fail(toRemoteFailure(outcome, this.#address, options.timeoutMs));
    const refs = new Map<string, string>();
    for (const line of new TextDecoder().decode(outcome.stdout).split("\n")) {
      const [id = "", name] = line.split("\t");
      if (name !== undefined && prefixes.some((prefix) => name.startsWith(prefix))) refs.set(name, id);
    }
    return ok({ refs, format: formatOf(refs) ?? (await this.#askFormat(options)) });
  }

  /** An empty list has no id whose length tells the format; the server names it in its first lines, which git only traces. */
  async #askFormat(options: RemoteOptions): Promise<ObjectFormat | null> {
    const args = ["ls-remote", "--", this.#address.target, "refs/none"];
    const outcome = await this.#run(args, options, { GIT_TRACE_PACKET: "1" });
    const named = /< (?:.* )?object-format=(\w+)/.exec(outcome.stderr)?.[1];
    return named === "sha1" || named === "sha256" ? named : null;
  }
}

function formatOf(refs: ReadonlyMap<string, string>): ObjectFormat | null {
  const [id] = refs.values();
  if (id === undefined) return null;
  return id.length === 40 ? "sha1" : "sha256";
}

/** Null when the files do not tell: no such folder, a linked work tree, another ref format, a damaged file. */
function listFiles(folder: string, prefixes: readonly string[]): Result<ListedRefs, RemoteFailure> | null {
  try {
    const format = readRepositoryFormat(folder);
    if (format === null || format.refs !== "files") return null;
    const refs = new Map<string, string>();
    for (const prefix of prefixes) {
      for (const [name, id] of readRefFiles(folder, prefix, format.objects)) refs.set(name, id);
    }
    return ok({ refs, format: format.objects });
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    // A ref that is damaged there: git passes over it, and all others are as good as ever.
    return null;
  }
}
