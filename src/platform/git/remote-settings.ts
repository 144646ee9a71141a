import { withSshCommand } from "./git-environment.ts";
import { runGit } from "./git-process.ts";
import type { RemoteAddress } from "./remote-address.ts";

const CONFIG_TIMEOUT_MS = 10_000;

/** Key in lower case but for its middle, and value; a key may come several times. */
type Setting = readonly [key: string, value: string];

/**
 * What the user configured for git that bears on this remote, asked of git once and only for ssh and http remotes
 * (2 ms).
 */
export class RemoteSettings {
  readonly #address: RemoteAddress;
  readonly #storeFolder: string;
  readonly #given: Record<string, string>;
  #asked: Promise<readonly Setting[]> | null = null;

  constructor(address: RemoteAddress, storeFolder: string, given: Record<string, string>) {
    this.#address = address;
    this.#storeFolder = storeFolder;
    this.#given = given;
  }

  /** The environment for git calls that reach the remote: the user's `core.sshCommand` is respected. */
  async environment(): Promise<Record<string, string>> {
    if (this.#address.transport !== "ssh") return this.#given;
    return withSshCommand(this.#given, (await this.#sshCommand()) ?? null);
  }

  /** Whether plain HTTP does what git would: no proxy, rewritten URL, own certificates, headers or cookies. */
  async isPlainHttp(): Promise<boolean> {
    if (this.#address.transport !== "http") return false;
    const named = Object.keys(this.#given).some((name) => /_proxy$|^SSL_CERT_/i.test(name));
    if (named) return false;
    const keys = (await this.#all()).map(([key]) => key);
    return !keys.some((key) => key.startsWith("http.") || key.startsWith("url."));
  }

  /** Whether git reaches an http remote through a proxy of the environment or of its configuration. */
  async hasProxy(): Promise<boolean> {
    const named = Object.entries(this.#given).some(
      ([name, value]) => /^(?:https?|all)_proxy$/i.test(name) && value !== "",
    );
    if (named) return true;
    return (await this.#all()).some(([key]) => /^http\.(?:.*\.)?proxy$/.test(key));
  }

  /** Whether git turns the address into another one (`url.<base>.insteadOf`). */
  async isRewritten(): Promise<boolean> {
    return (await this.#all()).some(
      ([key, value]) => /^url\..*\.(?:push)?insteadof$/s.test(key) && this.#address.target.startsWith(value),
    );
  }

  async #sshCommand(): Promise<string | undefined> {
    return (await this.#all()).findLast(([key]) => key === "core.sshcommand")?.[1];
  }

  #all(): Promise<readonly Setting[]> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  async #ask(): Promise<readonly Setting[]> {
    const outcome = await runGit({
      args: ["config", "--null", "--get-regexp", "^(http|url|core\\.sshcommand)"],
      folder: this.#storeFolder,
      environment: this.#given,
      stdoutBytesMax: 1024 * 1024,
      timeoutMs: CONFIG_TIMEOUT_MS,
      signal: new AbortController().signal,
    });
    const entries = new TextDecoder().decode(outcome.stdout).split("\0");
    return entries.filter((entry) => entry !== "").map(toSetting);
  }
}

/** `key LF value`, or the key alone when it has no value. */
function toSetting(entry: string): Setting {
  const end = entry.indexOf("\n");
  return end === -1 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
}
