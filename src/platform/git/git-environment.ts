import { absoluteParts } from "../search-path.ts";

/** Names that git, ssh and credential helpers need to find the user's own set-up (compared in upper case). */
const KEPT_NAMES = new Set([
  "HOME",
  "PATH",
  "LOGNAME",
  "USER",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "GIT_SSH",
  "GIT_SSH_COMMAND",
  "GIT_SSH_VARIANT",
  // Own certificate authorities, Kerberos tickets and the keyring of a desktop session.
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "KRB5CCNAME",
  "DBUS_SESSION_BUS_ADDRESS",
  // Windows profile.
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "SYSTEMROOT",
  "COMSPEC",
  "PATHEXT",
  "TEMP",
  "TMP",
  "PROGRAMDATA",
  "HOMEDRIVE",
  "HOMEPATH",
  "SYSTEMDRIVE",
  "WINDIR",
]);

/** The ssh command used when the user chose none: fails instead of asking. */
export const DEFAULT_SSH_COMMAND = "ssh -oBatchMode=yes";

/**
 * The environment of every git child, from that of this process: profile, ssh and proxy variables are kept, every
 * other variable is dropped (`GIT_DIR`, `GIT_CONFIG_*`, `BUN_OPTIONS` would turn the child into something else), and
 * nothing can ask a question. The PATH keeps its absolute parts. Messages are English (`LC_ALL=C`), because they are parsed.
 */
export function gitEnvironment(source: Record<string, string | undefined>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value === undefined || !isKept(name.toUpperCase())) continue;
    kept[name] = name.toUpperCase() === "PATH" ? absoluteParts(value) : value;
  }
  return {
    ...kept,
    ...sshSettings(kept["GIT_SSH_COMMAND"], kept["GIT_SSH"], kept["GIT_SSH_VARIANT"]),
    GIT_TERMINAL_PROMPT: "0",
    // Present but empty: git and ssh then neither ask nor fall back to a window of their own.
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    // A ref below refs/replace would let whoever can write it swap the content of any object.
    GIT_NO_REPLACE_OBJECTS: "1",
    LC_ALL: "C",
  };
}

function isKept(upperName: string): boolean {
  return KEPT_NAMES.has(upperName) || upperName.endsWith("_PROXY") || upperName.startsWith("XDG_");
}

function sshSettings(
  command: string | undefined,
  program: string | undefined,
  variant: string | undefined,
): Record<string, string> {
  if (command !== undefined) return { GIT_SSH_COMMAND: withBatchMode(command, variant) };
  return program === undefined ? { GIT_SSH_COMMAND: DEFAULT_SSH_COMMAND } : {};
}

/**
 * A user's ssh command with `-oBatchMode=yes` added, if it is plain OpenSSH (by its program name and git's
 * `ssh.variant`); plink, wrappers and shell constructs are left as they are.
 */
export function withBatchMode(command: string, variant: string | undefined): string {
  if (variant !== undefined && variant !== "" && variant !== "ssh" && variant !== "auto") return command;
  if (/[;&|<>`$#\n]/.test(command)) return command;
  const program = /^\s*(?:"([^"]+)"|'([^']+)'|(\S+))/.exec(command);
  const path = program?.[1] ?? program?.[2] ?? program?.[3] ?? "";
  const name = path.replaceAll("\\", "/").split("/").at(-1);
  return name === "ssh" || name === "ssh.exe" ? `${command} -oBatchMode=yes` : command;
}

/**
 * The environment for an ssh remote of a user who configured `core.sshCommand` (null: did not). git prefers the
 * variable over the setting, so the default of `gitEnvironment` would override the user's choice.
 */
export function withSshCommand(
  environment: Record<string, string>,
  configured: string | null,
): Record<string, string> {
  if (configured === null || environment["GIT_SSH_COMMAND"] !== DEFAULT_SSH_COMMAND) return environment;
  return { ...environment, GIT_SSH_COMMAND: withBatchMode(configured, environment["GIT_SSH_VARIANT"]) };
}

/** The environment of this process as git children get it. */
export const systemGitEnvironment = (): Record<string, string> => gitEnvironment(process.env);
