import { readdirSync, statSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isMachineBroken } from "../base/errors.ts";
import { deniedError, ioError, isDenied } from "./io-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The root below which every server of this user has its folder: `FLEETD_HOME`, else the system's usual place. */
export function stateRoot(environment: Environment): string {
  const own = environment["FLEETD_HOME"];
  if (own !== undefined && own !== "") return own;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "fleetd");
  if (process.platform === "win32") {
    return join(environment["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"), "fleetd");
  }
  const state = environment["XDG_STATE_HOME"];
  // The XDG rules say that a relative path is to be ignored.
  return join(state?.startsWith("/") === true ? state : join(homedir(), ".local", "state"), "fleetd");
}

/** Configuration files in the order in which they are looked for. The current folder is none: it can be hostile. */
export function configPaths(environment: Environment): readonly string[] {
  if (process.platform === "win32") {
    const [user, machine] = [environment["APPDATA"], environment["ProgramData"]];
    return [user, machine].flatMap((folder) =>
      folder === undefined ? [] : [join(folder, "fleetd", "fleetd.yaml")],
    );
  }
  const config = environment["XDG_CONFIG_HOME"];
  const user = config?.startsWith("/") === true ? config : join(homedir(), ".config");
  return [join(user, "fleetd", "fleetd.yaml"), "/etc/fleetd/fleetd.yaml"];
}

/** Each of these is made by `init` and removed by nobody: where one of them is, a server was made. */
const MADE_BY_INIT = ["state.db", "identity.json", "key"];

/**
 * The names in `root` that are folders of servers: those that were made here, also where one has lost its `state.db`, or
 * this user may not look into it. @throws FleetError IO
 */
export function serverFolders(root: string): readonly string[] {
  const isServer = (name: string): boolean => MADE_BY_INIT.some((file) => isThere(join(root, name, file)));
  return folderNames(root)
    .filter((name) => /^[a-z0-9]/.test(name) && isServer(name))
    .sort();
}

/** A folder that is closed to this user is a server's if its name can be one (`lost+found` is none). */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    if (isDenied(thrown)) return /^[a-z0-9-]+$/.test(basename(dirname(path)));
    throw ioError(`Cannot look at "${path}"`, thrown);
  }
}

/** The names of the folders in a folder; none where it is missing. @throws FleetError IO */
export function folderNames(root: string): readonly string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (thrown) {
    if (isDenied(thrown)) throw deniedError(`Cannot read folder "${root}"`, thrown);
    if (isMachineBroken(thrown)) throw ioError(`Cannot list folder "${root}"`, thrown);
    // No root yet: no server was made.
    return [];
  }
}

/** The files of one server. */
export interface ServerPaths {
  readonly folder: string;
  readonly store: string;
  readonly state: string;
  readonly index: string;
  readonly key: string;
  /** The folder of the daemon's log. */
  readonly logs: string;
  /** Where handlers work, each in a folder of its own. */
  readonly handlers: string;
  readonly daemonLock: string;
  readonly flushLock: string;
  /** One for all servers below the root. */
  readonly machineLock: string;
  readonly socket: string;
}

/** The lock of whoever looks after the machine, one for all servers below the root. */
export const machineLockPath = (root: string): string => join(root, "machine.lock");

/** A unix socket's path may have 107 bytes on Linux and 103 on macOS; past 100 a short one is made elsewhere. */
const SOCKET_BYTES_MAX = 100;

/** Whether a socket can be at `path` on every system. */
export const fitsSocket = (path: string): boolean => Buffer.byteLength(path) <= SOCKET_BYTES_MAX;

/** Where the files of `server` are below `root`. */
export function serverPaths(root: string, server: string): ServerPaths {
  const folder = join(root, server);
  return {
    folder,
    store: join(folder, "fleet.git"),
    state: join(folder, "state.db"),
    index: join(folder, "index.db"),
    key: join(folder, "key"),
    logs: join(folder, "logs"),
    handlers: join(folder, "handlers"),
    daemonLock: join(folder, "daemon.lock"),
    flushLock: join(folder, "flush.lock"),
    machineLock: machineLockPath(root),
    socket: socketPath(folder),
  };
}

/** What belongs to the machine and not to one of its servers. The dots keep it from being taken for a server. */
export interface MachinePaths {
  /** What is known about supervised services. */
  readonly state: string;
  /** A folder for each instance of a service, with its log. */
  readonly services: string;
}

/** Where the files of the machine are below `root`. */
export const machinePaths = (root: string): MachinePaths => ({
  state: join(root, "services.db"),
  services: join(root, "services.d"),
});

/** Folder names of a fleet's embedded remote; the dot keeps it from being taken for a server. */
export const embeddedRemotePath = (root: string): string => join(root, "remote.git");

function socketPath(folder: string): string {
  const usual = join(folder, "control.sock");
  if (fitsSocket(usual)) return usual;
  const digest = new Bun.CryptoHasher("sha256").update(folder).digest("hex").slice(0, 16);
  const user = process.getuid?.() ?? 0;
  return join(tmpdir(), `fleetd-${user}`, `${digest}.sock`);
}

/** A server id made of the host's name, or null when nothing of it can be used. */
export function hostServerId(): string | null {
  const short = hostname().split(".")[0] ?? "";
  const id = short
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);
  return id === "" ? null : id;
}
