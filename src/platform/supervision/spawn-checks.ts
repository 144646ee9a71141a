/** What has to be there before a program can be started, each with its own words when it is not. */
import { accessSync, constants, openSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import type { SpawnRequest } from "../../base/ports/process-host.ts";
import { hasCode } from "../io-error.ts";
import { absoluteParts } from "../search-path.ts";

/** Where programs are looked for when the environment does not say. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The absolute path of the program. @throws FleetError CONFIG naming the folder or the program that is missing */
export function checkProgram({ command, cwd, environment }: SpawnRequest): string {
  const folder = statSync(cwd, { throwIfNoEntry: false });
  if (folder === undefined)
    throw missing(`Cannot start in "${cwd}": no such folder, an existing one is needed`);
  if (!folder.isDirectory()) throw missing(`Cannot start in "${cwd}": it is a file, a folder is needed`);
  const [name = ""] = command;
  if (name === "") throw missing("Cannot start a service: its command is empty, a program is needed");
  if (isAbsolute(name) || /[/\\]/.test(name)) return checkFile(isAbsolute(name) ? name : join(cwd, name));
  const path = absoluteParts(pathOf(environment) ?? DEFAULT_PATH);
  const program = Bun.which(name, { PATH: path });
  if (program === null) {
    throw missing(`Cannot start "${name}": no such program in PATH "${path}", an executable file is needed`);
  }
  return program;
}

/** Windows writes the name as it likes. */
const pathOf = (environment: Readonly<Record<string, string>>): string | undefined =>
  environment["PATH"] ??
  Object.entries(environment).find(
    ([name]) => process.platform === "win32" && name.toUpperCase() === "PATH",
  )?.[1];

function checkFile(path: string): string {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) throw missing(`Cannot start "${path}": no such file, a program is needed`);
  if (!file.isFile()) throw missing(`Cannot start "${path}": it is no file, a program is needed`);
  try {
    accessSync(path, constants.X_OK);
  } catch (thrown) {
    throw causedBy(
      "CONFIG",
      `Cannot start "${path}": it may not be executed, the right to is needed`,
      thrown,
    );
  }
  return path;
}

const missing = (message: string): FleetError => new FleetError("CONFIG", message);

/** Opens the file that takes the output, for appending. @throws FleetError IO */
export function openOutput(path: string): number {
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  // Bun opens every file with O_CLOEXEC.
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND, 0o600);
  } catch (thrown) {
    throw causedBy("IO", `Cannot write output to "${path}": ${messageOf(thrown)}`, thrown);
  }
}

/** The environment of a child: `BUN_*` would turn a program made with Bun into something else, `LISTEN_*` is for the named process only. */
export function childEnvironment(
  environment: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(environment).filter(
    ([name]) => !/^(?:BUN_|LISTEN_(?:FDS|PID|FDNAMES)$)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...added };
}

/** What a start that the system refused says. */
export function spawnError(program: string, thrown: unknown): FleetError {
  if (thrown instanceof FleetError) return thrown;
  if (hasCode(thrown, "ENOENT")) {
    const why = "what its first line names as interpreter (or its loader) is missing";
    return causedBy("CONFIG", `Cannot start "${program}": ${why}`, thrown);
  }
  if (hasCode(thrown, "ENOEXEC")) {
    const why = "it is no program of this system, and has no first line that names an interpreter";
    return causedBy("CONFIG", `Cannot start "${program}": ${why}`, thrown);
  }
  return causedBy("FAILED", `Cannot start "${program}": ${messageOf(thrown)}`, thrown);
}
