import { ByteReader } from "../byte-reader.ts";
import { endGroup, HAS_PROCESS_GROUPS } from "../process-group.ts";
import { DEFAULT_SSH_COMMAND, withBatchMode } from "./git-environment.ts";
import type { RemoteEndpoint } from "./remote-endpoint.ts";

const ANSWER_BYTES_MAX = 256 * 1024;
const ANSWER_TIMEOUT_MS = 5_000;

/** Where ssh really connects to; `unknown` with the reason why a plain connection would prove nothing. */
export type SshRoute =
  | { readonly kind: "direct"; readonly host: string; readonly port: number }
  | { readonly kind: "unknown"; readonly why: string };

/**
 * Asks ssh itself (`ssh -G`, no connection is made) what the user's configuration makes of a host: an alias, another
 * port, a jump host. `environment` is that of the git calls, so that a command of the user's own is asked.
 */
export async function askSshRoute(
  endpoint: RemoteEndpoint,
  environment: Readonly<Record<string, string>>,
): Promise<SshRoute> {
  const command = environment["GIT_SSH_COMMAND"];
  const variant = environment["GIT_SSH_VARIANT"];
  const isOpenSsh =
    environment["GIT_SSH"] === undefined &&
    command !== undefined &&
    (command.endsWith("-oBatchMode=yes") || withBatchMode(command, variant) !== command);
  if (!isOpenSsh) return { kind: "unknown", why: "an ssh command of the user's own is configured" };
  const words = ["-G", ...(endpoint.port === null ? [] : ["-p", String(endpoint.port)])];
  const target = endpoint.user === null ? endpoint.host : `${endpoint.user}@${endpoint.host}`;
  const answer = await ask(command, [...words, "--", target], environment);
  return answer === null
    ? { kind: "unknown", why: "ssh does not tell where it connects to" }
    : parseSshRoute(answer);
}

/** Reads what `ssh -G` prints: a keyword and its value per line. */
export function parseSshRoute(text: string): SshRoute {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) values.set(line.slice(0, space).toLowerCase(), line.slice(space + 1).trim());
  }
  for (const name of ["proxycommand", "proxyjump"]) {
    const value = values.get(name) ?? "none";
    if (value !== "none" && value !== "") return { kind: "unknown", why: `ssh goes through a ${name}` };
  }
  const [host, port] = [values.get("hostname") ?? "", Number(values.get("port"))];
  if (host !== "" && Number.isInteger(port) && port > 0) return { kind: "direct", host, port };
  return { kind: "unknown", why: "ssh does not tell where it connects to" };
}

/** What the command prints; null when it fails or takes too long. A command of the user's own goes through sh, as git runs it. */
async function ask(
  command: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string | null> {
  const argv =
    command === DEFAULT_SSH_COMMAND ? ["ssh", ...words] : ["sh", "-c", `${command} "$@"`, "ssh", ...words];
  try {
    const child = Bun.spawn(argv, {
      env: environment,
      stdio: ["ignore", "pipe", "ignore"],
      detached: HAS_PROCESS_GROUPS,
      windowsHide: true,
    });
    const timer = setTimeout(() => void endGroup(child.pid), ANSWER_TIMEOUT_MS);
    const bytes = await new ByteReader(child.stdout).rest(ANSWER_BYTES_MAX, () => void endGroup(child.pid));
    const exitCode = await child.exited;
    clearTimeout(timer);
    return exitCode === 0 ? new TextDecoder().decode(bytes) : null;
  } catch {
    // No ssh on the PATH: git will say so in its own words.
    return null;
  }
}
