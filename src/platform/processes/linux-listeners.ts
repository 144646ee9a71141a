/** Who holds which listening socket. */
import type { Listener, ListenerOwner } from "../../base/ports/process-table.ts";
import { joinEqual } from "./join-listeners.ts";
import { userIdOf } from "./linux-details.ts";
import { type ListeningSocket, readListening } from "./linux-sockets.ts";
import { readStat } from "./linux-stat.ts";
import { startOf } from "./linux-table.ts";
import { findHolders } from "./socket-holders.ts";
import { userName } from "./users.ts";

/** Who listens on exactly `port`, or (null) anywhere. */
export async function findLinuxListeners(port: number | null): Promise<Listener[]> {
  const sockets = await readListening(port);
  if (sockets.length === 0) return [];
  const holders = await findHolders(new Set(sockets.map(({ inode }) => inode)));
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
  const stat = readStat(pid);
  if (stat === null) return null;
  const userId = userIdOf(pid);
  return { pid, start: startOf(stat), name: stat.name, user: userId === null ? null : userName(userId) };
}
