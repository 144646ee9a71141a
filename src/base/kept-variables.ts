/** Whose home, which programs, which language; and where fleetd's own files are, for programs that call it. */
const KEPT_NAMES: ReadonlySet<string> = new Set([
  "HOME",
  "PATH",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "TZ",
  "TMPDIR",
  "FLEETD_HOME",
  "FLEETD_CONFIG",
  // Windows cannot start a program without most of these.
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "PROGRAMDATA",
  "SYSTEMROOT",
  "SYSTEMDRIVE",
  "WINDIR",
  "COMSPEC",
  "PATHEXT",
  "TEMP",
  "TMP",
]);

/**
 * What an operator's program gets of fleetd's own environment. `BUN_OPTIONS` and the like would turn a child into
 * something else; whatever is not named here is left out.
 */
export function keptVariables(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const isKept = (name: string): boolean =>
    KEPT_NAMES.has(name) || name.startsWith("LC_") || name.startsWith("XDG_");
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && isKept(name.toUpperCase()) ? [[name, value]] : [],
    ),
  );
}
