/** Who holds which listening socket: links of the open files of every process name sockets by their inode. */
import { readdirSync, readlinkSync } from "node:fs";
import type { Listener, ListenerOwner } from "../../base/ports/process-table.ts";
import { hasCode, isDenied } from "../io-error.ts";
import { joinEqual } from "./join-listeners.ts";
import { userIdOf } from "./linux-details.ts";
import { type ListeningSocket, readListening } from "./linux-sockets.ts";
import { listPids, readRow } from "./linux-table.ts";
import { userName } from "./users.ts";

/** Who listens on exactly `port`, or (null) anywhere. */
export async function findLinuxListeners(port: number | null): Promise<Listener[]> {
  const sockets = await readListening(port);
  if (sockets.length === 0) return [];
  const holders = findHolders(new Set(sockets.map(({ inode }) => inode)));
  const owners = new Map<number, ListenerOwner | null>();
  const ownerOf = (pid: number): ListenerOwner | null => {
    const known = owners.get(pid);
    if (known !== undefined) return known;
    const owner = describeOwner(pid);
    owners.set(pid, owner);
    return owner;
  };
  return joinEqual(
    sockets.map((socket) =>
      toListener(
        socket,
        (holders.get(socket.inode) ?? []).flatMap((pid) => ownerOf(pid) ?? []),
      ),
    ),
  );
}

function toListener(socket: ListeningSocket, owners: readonly ListenerOwner[]): Listener {
  const { protocol, address, port, userId } = socket;
  // It is there, so somebody has it: a process of another user, of another container, or the kernel itself.
  return { protocol, address, port, user: userName(userId), owners: owners.length === 0 ? null : owners };
}

function describeOwner(pid: number): ListenerOwner | null {
  const row = readRow(pid);
  if (row === null) return null;
  const userId = userIdOf(pid);
  return { pid, start: row.start, name: row.name, user: userId === null ? null : userName(userId) };
}

/**
 * The processes that have one of the sockets open. All of them are looked at, also after each socket was found once:
 * a socket that was inherited, or handed over, has several.
 */
function findHolders(inodes: ReadonlySet<string>): Map<string, number[]> {
  const holders = new Map<string, number[]>();
  for (const pid of listPids()) {
    for (const inode of socketsOf(`/proc/${pid}/fd`, inodes)) {
      const pids = holders.get(inode);
      if (pids === undefined) holders.set(inode, [Number(pid)]);
      else pids.push(Number(pid));
    }
  }
  return holders;
}

function socketsOf(folder: string, inodes: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>();
  try {
    for (const name of readdirSync(folder)) {
      const link = readLink(`${folder}/${name}`);
      const inode = link?.startsWith("socket:[") === true ? link.slice(8, -1) : null;
      if (inode !== null && inodes.has(inode)) found.add(inode);
    }
  } catch (thrown) {
    // Gone meanwhile, or its open files are not for this user to see: then neither are the others of that process.
    if (!(hasCode(thrown, "ENOENT", "ESRCH") || isDenied(thrown))) throw thrown;
  }
  return found;
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    // Closed between listing and reading.
    if (hasCode(thrown, "ENOENT")) return null;
    throw thrown;
  }
}
