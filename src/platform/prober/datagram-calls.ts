/**
 * Unix datagram sockets, which Bun does not have: made, read without waiting, closed. Linux only. The kernel says with
 * each message which process sent it; descriptors that come along are dropped by it, since there is no room for them.
 */
import { dlopen, ptr } from "bun:ffi";

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0x2 | 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const SCM_CREDENTIALS = 2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const POLLIN = 1;

/** `struct sockaddr_un`, `pollfd`, `msghdr`, and a `cmsghdr` with credentials, on 64-bit systems. */
const ADDRESS_BYTES = 110;
const POLL_BYTES = 8;
const HEADER_BYTES = 56;
const CONTROL_BYTES = 32;

/** What a service says fits in far less; a longer message is dropped whole. */
const MESSAGE_BYTES_MAX = 4 * 1024;

const SIGNATURES = {
  socket: { args: ["int", "int", "int"], returns: "int" },
  bind: { args: ["int", "ptr", "u32"], returns: "int" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
  recvmsg: { args: ["int", "ptr", "int"], returns: "i64" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
  close: { args: ["int"], returns: "int" },
} as const;

/** One message, and the process that the kernel saw send it, with the user whose it was. */
export interface Datagram {
  readonly text: string;
  readonly pid: number;
  readonly userId: number;
}

/** See the head of this file. */
export interface DatagramCalls {
  /** Makes a socket at `path`, where nothing is yet; null when the system refuses. */
  open(path: string): number | null;
  /** Which of the sockets have something to read; one call for all of them. */
  readable(sockets: readonly number[]): boolean[];
  /** The next message: null when there is none, `dropped` for one that is too long or of nobody. */
  receive(socket: number): Datagram | "dropped" | null;
  close(socket: number): void;
}

function openC() {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  try {
    return dlopen("libc.so.6", SIGNATURES).symbols;
  } catch {
    return dlopen(`libc.musl-${architecture}.so.1`, SIGNATURES).symbols;
  }
}

/** @throws when this process may not make calls at all */
export function openDatagramCalls(): DatagramCalls {
  const c = openC();
  const one = new Int32Array([1]);
  const receiver = createReceiver(c.recvmsg);
  return {
    open(path) {
      const address = new Uint8Array(ADDRESS_BYTES);
      new DataView(address.buffer).setUint16(0, AF_UNIX, true);
      const encoded = new TextEncoder().encode(path);
      if (encoded.length >= ADDRESS_BYTES - 2) return null;
      address.set(encoded, 2);
      const socket = c.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
      if (socket < 0) return null;
      // Before anybody can know the path, so that no message is without its sender.
      const isReady =
        c.setsockopt(socket, SOL_SOCKET, SO_PASSCRED, one, one.byteLength) === 0 &&
        c.bind(socket, address, encoded.length + 3) === 0;
      if (isReady) return socket;
      c.close(socket);
      return null;
    },
    readable(sockets) {
      const polls = new DataView(new ArrayBuffer(Math.max(1, sockets.length) * POLL_BYTES));
      for (const [index, socket] of sockets.entries()) {
        polls.setInt32(index * POLL_BYTES, socket, true);
        polls.setInt16(index * POLL_BYTES + 4, POLLIN, true);
      }
      if (c.poll(new Uint8Array(polls.buffer), BigInt(sockets.length), 0) <= 0)
        return sockets.map(() => false);
      return sockets.map((_, index) => polls.getInt16(index * POLL_BYTES + 6, true) !== 0);
    },
    receive: receiver,
    close(socket) {
      c.close(socket);
    },
  };
}

type ReceiveMessage = ReturnType<typeof openC>["recvmsg"];

/** One set of buffers for all sockets: they are read one after the other. */
function createReceiver(receiveMessage: ReceiveMessage): (socket: number) => Datagram | "dropped" | null {
  const [body, control] = [new Uint8Array(MESSAGE_BYTES_MAX), new Uint8Array(CONTROL_BYTES)];
  const vector = new BigUint64Array([BigInt(ptr(body)), BigInt(body.length)]);
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const headerBytes = new Uint8Array(header.buffer);
  const controls = new DataView(control.buffer);
  return (socket) => {
    header.setBigUint64(16, BigInt(ptr(vector)), true);
    header.setBigUint64(24, 1n, true);
    header.setBigUint64(32, BigInt(ptr(control)), true);
    header.setBigUint64(40, BigInt(CONTROL_BYTES), true);
    header.setInt32(48, 0, true);
    const length = Number(receiveMessage(socket, headerBytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    if (length < 0) return null;
    const isWhole = (header.getInt32(48, true) & MSG_TRUNC) === 0;
    const hasSender =
      header.getBigUint64(40, true) >= 28n &&
      controls.getInt32(8, true) === SOL_SOCKET &&
      controls.getInt32(12, true) === SCM_CREDENTIALS;
    const pid = hasSender ? controls.getInt32(16, true) : 0;
    if (!isWhole || pid <= 0) return "dropped";
    const userId = controls.getUint32(20, true);
    return { text: new TextDecoder().decode(body.subarray(0, length)), pid, userId };
  };
}
