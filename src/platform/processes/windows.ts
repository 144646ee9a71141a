/** Windows, by its own calls: a snapshot of all processes, and the tables of sockets with their owners. */
import { dlopen, type Pointer, ptr } from "bun:ffi";
import type { Listener, ProcessRow, ProcessTable } from "../../base/ports/process-table.ts";
import { joinEqual } from "./join-listeners.ts";
import { sendSignal } from "./send-signal.ts";
import {
  PROCESS_ENTRY_BYTES,
  parseProcessEntry,
  parseSocketTable,
  SOCKET_TABLES,
  type WindowsSocket,
} from "./windows-tables.ts";

const SNAPSHOT_PROCESSES = 2;
const QUERY_LIMITED = 0x1000;
const MEMORY_COUNTERS_BYTES = 72;
const WORKING_SET_AT = 16;
/** Times are counts of 100 ns. */
const TICKS_PER_MS = 10_000n;
const INVALID_HANDLE = -1;
const INSUFFICIENT_BUFFER = 122;

/** Opens the libraries of the system; they stay open. */
export function openWindowsTable(): ProcessTable {
  const system = openSystem();
  const list = (): ProcessRow[] => listEntries(system).map((entry) => toRow(system, entry));
  const startNow = (pid: number): string | null => readTimes(system, pid)?.start ?? null;
  const pick = (pids: readonly number[]): ProcessRow[] => {
    const wanted = new Set(pids);
    const entries = new Map(
      listEntries(system).flatMap((entry) => (wanted.has(entry.pid) ? [[entry.pid, entry]] : [])),
    );
    return pids.flatMap((pid) => {
      const entry = entries.get(pid);
      return entry === undefined ? [] : [toRow(system, entry)];
    });
  };
  const socketsOn = (port: number | null): WindowsSocket[] =>
    readSockets(system).filter((one) => port === null || one.port === port);
  return {
    list: () => Promise.resolve(list()),
    pick: (pids) => Promise.resolve(pick(pids)),
    details: (pid) =>
      Promise.resolve(pick([pid]).length === 0 ? null : { userId: null, user: null, commandLine: null }),
    listeners: (port) => Promise.resolve(joinEqual(toListeners(socketsOn(port), list()))),
    isListened: (port, protocol) =>
      Promise.resolve(socketsOn(port).some((one) => protocol === null || one.protocol === protocol)),
    // The environment of a process is not told.
    isOurs: () => Promise.resolve(false),
    signal: (identity, signal) => Promise.resolve(sendSignal(identity, signal, startNow)),
  };
}

type System = ReturnType<typeof openSystem>;

function openSystem() {
  const kernel = dlopen("kernel32.dll", {
    CreateToolhelp32Snapshot: { args: ["u32", "u32"], returns: "i64" },
    Process32FirstW: { args: ["i64", "ptr"], returns: "i32" },
    Process32NextW: { args: ["i64", "ptr"], returns: "i32" },
    OpenProcess: { args: ["u32", "i32", "u32"], returns: "ptr" },
    GetProcessTimes: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    K32GetProcessMemoryInfo: { args: ["ptr", "ptr", "u32"], returns: "i32" },
    CloseHandle: { args: ["i64"], returns: "i32" },
  }).symbols;
  const helper = dlopen("iphlpapi.dll", {
    GetExtendedTcpTable: { args: ["ptr", "ptr", "i32", "u32", "u32", "u32"], returns: "u32" },
    GetExtendedUdpTable: { args: ["ptr", "ptr", "i32", "u32", "u32", "u32"], returns: "u32" },
  }).symbols;
  return { kernel, helper };
}

type Entry = NonNullable<ReturnType<typeof parseProcessEntry>>;

function listEntries({ kernel }: System): Entry[] {
  const snapshot = kernel.CreateToolhelp32Snapshot(SNAPSHOT_PROCESSES, 0);
  if (Number(snapshot) === INVALID_HANDLE) return [];
  const entries: Entry[] = [];
  const bytes = Buffer.alloc(PROCESS_ENTRY_BYTES);
  bytes.writeUInt32LE(PROCESS_ENTRY_BYTES, 0);
  let isThere = kernel.Process32FirstW(snapshot, ptr(bytes));
  while (isThere !== 0) {
    entries.push(parseProcessEntry(bytes));
    isThere = kernel.Process32NextW(snapshot, ptr(bytes));
  }
  kernel.CloseHandle(snapshot);
  return entries;
}

function toRow(system: System, { pid, parent, name }: Entry): ProcessRow {
  const times = readTimes(system, pid);
  return {
    pid,
    parent,
    group: null,
    session: null,
    start: times?.start ?? null,
    name,
    state: "unknown",
    cpuMs: times?.cpuMs ?? null,
    residentBytes: times?.residentBytes ?? null,
  };
}

interface Times {
  readonly start: string;
  readonly cpuMs: number;
  readonly residentBytes: number | null;
}

/** Null for what is gone, and for processes of the system that nobody may open. */
function readTimes({ kernel }: System, pid: number): Times | null {
  const handle = kernel.OpenProcess(QUERY_LIMITED, 0, pid);
  if (handle === null) return null;
  try {
    const times = Buffer.alloc(32);
    const at = (offset: number): Pointer => ptr(times, offset);
    if (kernel.GetProcessTimes(handle, at(0), at(8), at(16), at(24)) === 0) return null;
    const counters = Buffer.alloc(MEMORY_COUNTERS_BYTES);
    counters.writeUInt32LE(MEMORY_COUNTERS_BYTES, 0);
    const hasMemory = kernel.K32GetProcessMemoryInfo(handle, ptr(counters), MEMORY_COUNTERS_BYTES) !== 0;
    return {
      start: String(times.readBigUInt64LE(0)),
      cpuMs: Number((times.readBigUInt64LE(16) + times.readBigUInt64LE(24)) / TICKS_PER_MS),
      residentBytes: hasMemory ? Number(counters.readBigUInt64LE(WORKING_SET_AT)) : null,
    };
  } finally {
    kernel.CloseHandle(BigInt(handle));
  }
}

function readSockets(system: System): WindowsSocket[] {
  return SOCKET_TABLES.flatMap((table) => {
    const read =
      table.protocol === "tcp" ? system.helper.GetExtendedTcpTable : system.helper.GetExtendedUdpTable;
    let bytes = Buffer.alloc(64 * 1024);
    for (;;) {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(bytes.length, 0);
      const outcome = read(ptr(bytes), ptr(size), 0, table.family, table.class, 0);
      if (outcome === 0) return parseSocketTable(bytes, table);
      // Without IPv6 there is no table for it.
      if (outcome !== INSUFFICIENT_BUFFER) return [];
      bytes = Buffer.alloc(Math.max(size.readUInt32LE(0), bytes.length * 2));
    }
  });
}

function toListeners(sockets: readonly WindowsSocket[], rows: readonly ProcessRow[]): Listener[] {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  return sockets.map(({ protocol, address, port, pid }) => {
    const row = byPid.get(pid);
    const owners = row === undefined ? null : [{ pid, start: row.start, name: row.name, user: null }];
    return { protocol, address, port, user: null, owners };
  });
}
