import { withSshCommand } from "./git-environment.ts";
import { runGit } from "./git-process.ts";
import type { RemoteAddress } from "./remote-address.ts";

const CONFIG_TIMEOUT_MS = 10_000;

/**
 * What the user configured for git that bears on this remote, asked of git once and only for ssh and http remotes
 * (2 ms).
 */
export class RemoteSettings {
  readonly #address: RemoteAddress;
  readonly #storeFolder: string;
  readonly #given: Record<string, string>;
  #asked: Promise<ReadonlyMap<string, string>> | null = null;

  constructor(address: RemoteAddress, storeFolder: string, given: Record<string, string>) {
    this.#address = address;
    this.#storeFolder = storeFolder;
    this.#given = given;
  }

  /** The environment for git calls that reach the remote: the user's `core.sshCommand` is respected. */
  async environment(): Promise<Record<string, string>> {
    if (this.#address.transport !== "ssh") return this.#given;
    return withSshCommand(this.#given, (await this.#all()).get("core.sshcommand") ?? null);
  }

  /** Whether plain HTTP does what git would: no proxy, rewritten URL, own certificates, headers or cookies. */
  async isPlainHttp(): Promise<boolean> {
    if (this.#address.transport !== "http") return false;
    const named = Object.keys(this.#given).some((name) => /_proxy$|^SSL_CERT_/i.test(name));
    if (named) return false;
    const keys = [...(await this.#all()).keys()];
    return !keys.some((key) => key.startsWith("http.") || key.startsWith("url."));
  }

  #all(): Promise<ReadonlyMap<string, string>> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  async #ask(): Promise<ReadonlyMap<string, string>> {
    const outcome = await runGit({
      args: ["config", "--null", "--get-regexp", "^(http|url|core\\.sshcommand)"],
      folder: this.#storeFolder,
      environment: this.#given,
      stdoutBytesMax: 1024 * 1024,
      timeoutMs: CONFIG_TIMEOUT_MS,
      signal: new AbortController().signal,
    });
    const entries = new TextDecoder().decode(outcome.stdout).split("\0");
    return new Map(entries.filter((entry) => entry !== "").map(toSetting));
  }
}

/** `key LF value`, or the key alone when it has no value. */
function toSetting(entry: string): [string, string] {
  const end = entry.indexOf("\n");
  return end === -1 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
}
