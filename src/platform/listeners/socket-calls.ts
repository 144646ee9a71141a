/** The calls of Linux for sockets that are bound here and accepted from elsewhere. */
import { read } from "bun:ffi";
import { getSystemErrorName } from "node:util";
import { type HostPort, isIpv6 } from "../../base/host-port.ts";
import { openLibc } from "../libc.ts";

const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x8_00_00;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** The kernel cuts it to its own limit. */
const BACKLOG = 4_096;

const ADDRESS_BYTES = { four: 16, six: 28 } as const;
/** Where the address stands in `sockaddr_in` and `sockaddr_in6`. */
const ADDRESS_AT = { four: 4, six: 8 } as const;

const SIGNATURES = {
  socket: { args: ["int", "int", "int"], returns: "int" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
  bind: { args: ["int", "ptr", "u32"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
  getsockname: { args: ["int", "ptr", "ptr"], returns: "int" },
  inet_pton: { args: ["int", "ptr", "ptr"], returns: "int" },
  close: { args: ["int"], returns: "int" },
  syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

/** A call that the system refused, by the name of its error ("EADDRINUSE"). */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** See the head of this file. Calls throw a `CallError`. */
export interface SocketCalls {
  /** `share`: whether another socket may be bound to the same address, from before it is bound or only after. */
  listenOn(address: HostPort, share: "never" | "beside" | "later"): number;
  /** A second descriptor of what process `pid` has open as `descriptor`. */
  copyFrom(pid: number, descriptor: number): number;
  /** Whether a descriptor is a socket bound to exactly this address. */
  isBoundTo(descriptor: number, address: HostPort): boolean;
  close(descriptor: number): void;
}

/** @throws when this process may not make calls at all */
export function openSocketCalls(): SocketCalls {
  const c = openLibc(SIGNATURES);
  const checked = (result: number): number => {
    if (result >= 0) return result;
    const at = c.__errno_location();
    throw new CallError(getSystemErrorName(-(at === null ? 0 : read.i32(at, 0))));
  };
  const allow = (descriptor: number, level: number, option: number): void => {
    checked(c.setsockopt(descriptor, level, option, new Int32Array([1]), 4));
  };
  /** `sockaddr_in` or `sockaddr_in6`, as the C library reads the address. */
  const encode = ({ host, port }: HostPort): Uint8Array => {
    const kind = isIpv6(host) ? "six" : "four";
    const bytes = new Uint8Array(ADDRESS_BYTES[kind]);
    const family = kind === "six" ? AF_INET6 : AF_INET;
    const view = new DataView(bytes.buffer);
    view.setUint16(0, family, true);
    view.setUint16(2, port);
    const text = new TextEncoder().encode(`${host}\0`);
    if (c.inet_pton(family, text, bytes.subarray(ADDRESS_AT[kind])) !== 1) throw new CallError("EINVAL");
    return bytes;
  };
  return {
    listenOn(address, share) {
      const name = encode(address);
      const isSix = name.length === ADDRESS_BYTES.six;
      const descriptor = checked(c.socket(isSix ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      try {
        allow(descriptor, SOL_SOCKET, SO_REUSEADDR);
        if (isSix) allow(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
        if (share === "beside") allow(descriptor, SOL_SOCKET, SO_REUSEPORT);
        checked(c.bind(descriptor, name, name.length));
        // Only now: it was bound to an address that nobody else has.
        if (share === "later") allow(descriptor, SOL_SOCKET, SO_REUSEPORT);
        checked(c.listen(descriptor, BACKLOG));
        return descriptor;
      } catch (thrown) {
        c.close(descriptor);
        throw thrown;
      }
    },
    copyFrom(pid, descriptor) {
      const handle = checked(Number(c.syscall(SYS_PIDFD_OPEN, pid, 0, 0)));
      try {
        // The copy is closed by what is started: the kernel makes it so.
        return checked(Number(c.syscall(SYS_PIDFD_GETFD, handle, descriptor, 0)));
      } finally {
        c.close(handle);
      }
    },
    isBoundTo(descriptor, address) {
      const wanted = encode(address);
      const found = new Uint8Array(ADDRESS_BYTES.six);
      if (c.getsockname(descriptor, found, new Uint32Array([found.length])) !== 0) return false;
      return Buffer.compare(found.subarray(0, wanted.length), wanted) === 0;
    },
    close: (descriptor) => void c.close(descriptor),
  };
}
