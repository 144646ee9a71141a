/** Sockets that somebody listens on, as the kernel or its /proc/net has them: only those of this network namespace. */
import { readFileSync } from "node:fs";
import type { SocketProtocol } from "../../base/ports/process-table.ts";
import { hasCode } from "../io-error.ts";
import { formatIpv4, formatIpv6 } from "./format-address.ts";
import { askTcpListeners } from "./tcp-listeners.ts";

/** One listening socket. */
export interface ListeningSocket {
  readonly protocol: SocketProtocol;
  readonly address: string;
  readonly port: number;
  readonly userId: number;
  /** What links of open files name it by; "0": no process has it open. */
  readonly inode: string;
}

/** The state of a socket that waits for others: TCP_LISTEN, and for UDP, which knows no listening, "not connected". */
const WAITING = { tcp: "0A", udp: "07" } as const;

/** Sockets that listen on exactly `port`, or (null) on any. */
export async function readListening(
  port: number | null,
  only: SocketProtocol | null = null,
  askKernel: (port: number | null) => Promise<ListeningSocket[] | null> = askTcpListeners,
): Promise<ListeningSocket[]> {
  const tcp = only === "udp" ? [] : ((await askKernel(port)) ?? readFiles("tcp", port));
  return only === "tcp" ? tcp : [...tcp, ...readFiles("udp", port)];
}

/** A system without IPv6 has no files for it. */
const readFiles = (protocol: SocketProtocol, port: number | null): ListeningSocket[] =>
  [protocol, `${protocol}6`].flatMap((file) =>
    parseSockets(readOrEmpty(`/proc/net/${file}`), protocol, port),
  );

/** Those of `port` in the text of one such file. */
export function parseSockets(text: string, protocol: SocketProtocol, port: number | null): ListeningSocket[] {
  const wanted = port === null ? "[0-9A-F]{4}" : port.toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(
    `^ *\\d+: ([0-9A-F]{8}|[0-9A-F]{32}):(${wanted}) [0-9A-F]+:[0-9A-F]{4} ${WAITING[protocol]} \\S+ \\S+ \\S+ +(\\d+) +\\d+ (\\d+) `,
    "gm",
  );
  return Array.from(text.matchAll(line), ([, address = "", hexPort = "", userId, inode = "0"]) => ({
    protocol,
    address: readAddress(address),
    port: Number.parseInt(hexPort, 16),
    userId: Number(userId),
    inode,
  }));
}

/** The kernel prints addresses as 32-bit numbers of this machine; all that fleetd runs on have the lowest byte first. */
function readAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) =>
    (word.match(/../g) ?? []).toReversed().map((pair) => Number.parseInt(pair, 16)),
  );
  return bytes.length === 4 ? formatIpv4(bytes) : formatIpv6(bytes);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return "";
    throw thrown;
  }
}
