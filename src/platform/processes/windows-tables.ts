/** The structures that Windows fills in: where in them what stands. */
import type { SocketProtocol } from "../../base/ports/process-table.ts";
import { formatIpv4, formatIpv6 } from "./format-address.ts";

/** `PROCESSENTRY32W` on 64-bit systems. */
export const PROCESS_ENTRY_BYTES = 568;
const ENTRY_PID = 8;
const ENTRY_PARENT = 32;
const ENTRY_NAME = 44;

/** One process of a snapshot. */
export function parseProcessEntry(bytes: Buffer): {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
} {
  const [name = ""] = bytes.toString("utf16le", ENTRY_NAME, PROCESS_ENTRY_BYTES - 4).split("\0", 1);
  return { pid: bytes.readUInt32LE(ENTRY_PID), parent: bytes.readUInt32LE(ENTRY_PARENT), name };
}

/** One kind of table: `MIB_TCPTABLE_OWNER_PID` and the like; offsets are those in a row. */
export interface SocketTable {
  readonly protocol: SocketProtocol;
  /** `AF_INET` or `AF_INET6`. */
  readonly family: 2 | 23;
  /** `TCP_TABLE_OWNER_PID_LISTENER` or `UDP_TABLE_OWNER_PID`. */
  readonly class: number;
  readonly rowBytes: number;
  readonly address: number;
  readonly port: number;
  readonly pid: number;
}

/** All that are asked for. */
export const SOCKET_TABLES: readonly SocketTable[] = [
  { protocol: "tcp", family: 2, class: 3, rowBytes: 24, address: 4, port: 8, pid: 20 },
  { protocol: "tcp", family: 23, class: 3, rowBytes: 56, address: 0, port: 20, pid: 52 },
  { protocol: "udp", family: 2, class: 1, rowBytes: 12, address: 0, port: 4, pid: 8 },
  { protocol: "udp", family: 23, class: 1, rowBytes: 28, address: 0, port: 20, pid: 24 },
];

/** A socket and the process that made it; Windows tells one. */
export interface WindowsSocket {
  readonly protocol: SocketProtocol;
  readonly address: string;
  readonly port: number;
  readonly pid: number;
}

/** The rows of a table; their count stands before them. */
export function parseSocketTable(bytes: Buffer, table: SocketTable): WindowsSocket[] {
  const count = bytes.readUInt32LE(0);
  return Array.from({ length: count }, (_, index) => {
    const row = bytes.subarray(4 + index * table.rowBytes, 4 + (index + 1) * table.rowBytes);
    const address = [...row.subarray(table.address, table.address + (table.family === 2 ? 4 : 16))];
    return {
      protocol: table.protocol,
      address: table.family === 2 ? formatIpv4(address) : formatIpv6(address),
      // In network order in the lower half of a number.
      port: row.readUInt16BE(table.port),
      pid: row.readUInt32LE(table.pid),
    };
  });
}
