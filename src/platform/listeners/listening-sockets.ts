import { readdirSync, readFileSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host-port.ts";
import type { ListeningSockets } from "../../base/ports/listening-sockets.ts";
import { hasCode, isDenied } from "../io-error.ts";
import { openFileLink } from "../open-file-link.ts";
import { parseSockets } from "../processes/linux-sockets.ts";
import { readFileOrNull } from "../processes/linux-table.ts";
import type { SocketCalls } from "./socket-calls.ts";

/** Opens what listens for services; where the system cannot hand sockets on, every call says so. */
export async function openListeningSockets(): Promise<ListeningSockets> {
  if (process.platform !== "linux") return refusing("only Linux is known to hand them on");
  try {
    const { openSocketCalls } = await import("./socket-calls.ts");
    return linuxSockets(openSocketCalls());
  } catch (thrown) {
    return refusing(`the system forbids calls: ${messageOf(thrown)}`);
  }
}

/** Sockets of Linux. */
export function linuxSockets(calls: SocketCalls): ListeningSockets {
  const listen = (address: HostPort, share: Parameters<SocketCalls["listenOn"]>[1]): number | null => {
    try {
      return calls.listenOn(address, share);
    } catch (thrown) {
      if (hasCode(thrown, "EADDRINUSE")) return null;
      throw listenError(address, thrown);
    }
  };
  return {
    open: (address) => listen(address, mayTakeBack() ? "never" : "later"),
    openBeside: (address) => listen(address, "beside"),
    takeFrom(pid, address) {
      for (const descriptor of listeningDescriptors(pid, address.port)) {
        const copy = copyOf(calls, pid, descriptor);
        if (copy === "forbidden") return copy;
        if (copy === null) continue;
        if (calls.isBoundTo(copy, address)) return copy;
        calls.close(copy);
      }
      return null;
    },
    close: (descriptor) => calls.close(descriptor),
  };
}

function copyOf(calls: SocketCalls, pid: number, descriptor: number): number | "forbidden" | null {
  try {
    return calls.copyFrom(pid, descriptor);
  } catch (thrown) {
    if (hasCode(thrown, "EPERM", "EACCES", "ENOSYS")) return "forbidden";
    // Closed, or the process ended, since it was looked at.
    if (hasCode(thrown, "EBADF", "ESRCH", "EINVAL")) return null;
    throw thrown;
  }
}

/** Descriptors of a process that are sockets which listen on `port`. */
function listeningDescriptors(pid: number, port: number): number[] {
  const inodes = new Set(["tcp", "tcp6"].flatMap((file) => inodesIn(`/proc/net/${file}`, port)));
  if (inodes.size === 0) return [];
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .filter((name) => inodes.has(openFileLink(`/proc/${pid}/fd/${name}`) ?? ""))
      .map(Number);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "ESRCH") || isDenied(thrown)) return [];
    throw thrown;
  }
}

/** Of the sockets that listen on `port`, as links of open files name them. */
const inodesIn = (file: string, port: number): string[] =>
  parseSockets(readFileOrNull(file)?.toString("latin1") ?? "", "tcp", port).map(
    ({ inode }) => `socket:[${inode}]`,
  );

/** Whether a later daemon may take a socket back from a process that is no child of its own: Yama may be against it. */
function mayTakeBack(): boolean {
  if (process.geteuid?.() === 0) return true;
  try {
    return readFileSync("/proc/sys/kernel/yama/ptrace_scope", "utf8").trim() === "0";
  } catch {
    // A kernel without Yama: the user may.
    return true;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied, ports below 1024 need root or CAP_NET_BIND_SERVICE",
  EADDRNOTAVAIL: "this machine does not have that address",
  EAFNOSUPPORT: "this machine has no addresses of that kind",
};

function listenError(address: HostPort, thrown: unknown): FleetError {
  const code = messageOf(thrown);
  return causedBy("CONFIG", `Cannot listen on ${formatHostPort(address)}: ${REASONS[code] ?? code}`, thrown);
}

function refusing(reason: string): ListeningSockets {
  const refuse = (address: HostPort): never => {
    throw new FleetError(
      "CONFIG",
      `Cannot listen on ${formatHostPort(address)} for a service: ${reason}; let it listen by itself`,
    );
  };
  return { open: refuse, openBeside: refuse, takeFrom: () => null, close: () => undefined };
}
