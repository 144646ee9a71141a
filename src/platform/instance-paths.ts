import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { makePrivateFolder } from "./files.ts";
import { fitsSocket, stateRoot } from "./paths.ts";

/** What belongs to all instances of one program. */
export interface InstancePaths {
  /** The same for all of them, and for no other program of this user. */
  readonly key: string;
  readonly lock: string;
  readonly socket: string;
}

/**
 * Where the instances of a program meet: those of one `name`, or else of the script that this process runs. `folder` is
 * made if it is missing; the usual one is below the state of this user, which nobody tidies up as they do with a
 * temporary one: a lock whose file was removed would be given twice. @throws FleetError CANNOT_CREATE
 */
export function instancePaths(given: { readonly name?: string; readonly folder?: string }): InstancePaths {
  // The dot keeps it from being taken for a server.
  const { folder = join(stateRoot(process.env), "instances.d") } = given;
  makePrivateFolder(folder);
  const who = given.name === undefined ? `script ${ownScript()}` : `name ${given.name}`;
  const key = createHash("sha256").update(`${homedir()}\n${who}`).digest("hex").slice(0, 24);
  return { key, lock: join(folder, `${key}.lock`), socket: socketOf(folder, key) };
}

function socketOf(folder: string, key: string): string {
  const id = createHash("sha256").update(`${folder}\n${key}`).digest("hex").slice(0, 24);
  if (process.platform === "win32") return `\\\\.\\pipe\\fleetd-${id}`;
  const usual = join(folder, `${key}.sock`);
  return fitsSocket(usual) ? usual : join(tmpdir(), `fleetd-${process.getuid?.() ?? 0}`, `${id}.sock`);
}

function ownScript(): string {
  const [program, script = process.execPath] = process.argv;
  try {
    return realpathSync(script);
  } catch {
    // A program without a file of its own: a compiled one, or what was given with -e.
    return `${program} ${script}`;
  }
}
