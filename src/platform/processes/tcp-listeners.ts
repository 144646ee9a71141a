/**
 * The listening TCP sockets of this network namespace, asked of the kernel by a socket of the family NETLINK_SOCK_DIAG, see
 * sock_diag(7). /proc/net/tcp says the same and has the kernel walk its whole table of connections: 5 ms per file on an
 * idle machine, far more with many connections, against 0.2 ms for this. Where calls are not possible, or the kernel does
 * not answer them, /proc/net is what there is.
 */
import { formatIpv4, formatIpv6 } from "./format-address.ts";
import type { ListeningSocket } from "./linux-sockets.ts";
import { openSocketCalls, type SocketCalls } from "./socket-calls.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;

const HEADER_BYTES = 16;
const REQUEST_BYTES = HEADER_BYTES + 56;
const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** The bit of TCP_LISTEN: the kernel then looks at nothing else. */
const LISTENING = 1 << 10;

/** Places in `inet_diag_msg`, which follows the header. */
const PORT = 4;
const ADDRESS = 8;
const USER = 64;
const INODE = 68;
const MESSAGE_BYTES = 72;

/** A dump comes in pieces of at most 32 KiB. */
const REPLY_BYTES = 32 * 1024;

/** Those of `port`, or (null) all of them, IPv4 and IPv6; null where the kernel is not to be asked this way. */
export async function askTcpListeners(port: number | null): Promise<ListeningSocket[] | null> {
  const c = (await openSocketCalls())?.c;
  const socket = c?.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG) ?? -1;
  if (c === undefined || socket < 0) return null;
  try {
    const [four, six] = [AF_INET, AF_INET6].map((family) => dump(c, socket, { family, port }));
    return four && six ? [...four, ...six] : null;
  } finally {
    c.close(socket);
  }
}

/** Which sockets. */
interface Wanted {
  readonly family: number;
  readonly port: number | null;
}

function dump({ send, recv }: SocketCalls["c"], socket: number, wanted: Wanted): ListeningSocket[] | null {
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeUInt32LE(REQUEST_BYTES, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(REQUEST_DUMP, 6);
  request.writeUInt8(wanted.family, HEADER_BYTES);
  request.writeUInt8(IPPROTO_TCP, HEADER_BYTES + 1);
  request.writeUInt32LE(LISTENING, HEADER_BYTES + 4);
  if (Number(send(socket, request, REQUEST_BYTES, 0)) !== REQUEST_BYTES) return null;
  const found: ListeningSocket[] = [];
  const reply = Buffer.alloc(REPLY_BYTES);
  for (;;) {
    // Never waits for long: the kernel fills it before `send` returns, or when the piece before was taken.
    const got = Number(recv(socket, reply, REPLY_BYTES, 0));
    if (got < HEADER_BYTES) return null;
    const end = readPiece(reply.subarray(0, got), wanted.port, found);
    if (end !== null) return end ? found : null;
  }
}

/** Adds what a piece holds; true: it was the last, false: the kernel refuses, null: there is more. */
function readPiece(piece: Buffer, port: number | null, found: ListeningSocket[]): boolean | null {
  for (let at = 0; at + HEADER_BYTES <= piece.length; ) {
    const [bytes, kind] = [piece.readUInt32LE(at), piece.readUInt16LE(at + 4)];
    if (kind === NLMSG_DONE) return true;
    if (kind === NLMSG_ERROR || bytes < HEADER_BYTES) return false;
    const body = piece.subarray(at + HEADER_BYTES, at + bytes);
    // Most are not asked for, and understanding hundreds of them takes a program that has just begun some milliseconds.
    const isMeant = body.length >= MESSAGE_BYTES && (port === null || body.readUInt16BE(PORT) === port);
    if (isMeant) found.push(readSocket(body));
    // The next one begins at a multiple of four.
    at += (bytes + 3) & ~3;
  }
  return null;
}

function readSocket(body: Buffer): ListeningSocket {
  const isFour = body.readUInt8(0) === AF_INET;
  const address = [...body.subarray(ADDRESS, ADDRESS + (isFour ? 4 : 16))];
  return {
    protocol: "tcp",
    address: isFour ? formatIpv4(address) : formatIpv6(address),
    port: body.readUInt16BE(PORT),
    userId: body.readUInt32LE(USER),
    inode: String(body.readUInt32LE(INODE)),
  };
}
