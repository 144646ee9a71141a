/**
 * The few calls of Linux that neither Bun nor /proc offers: handles on processes that are no children of this one,
 * resource limits, control over orphans. Loaded when they are first needed; a system that forbids memory which is both
 * written and run (`MemoryDenyWriteExecute`) has none of them.
 */
import { openLibc } from "../libc.ts";

/** Numbers of calls that have no name in older C libraries; the same on every processor. */
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;

const POLLIN = 1;
const POLL_BYTES = 8;

/** `ioctl(fd, PIDFD_GET_INFO)` of linux/pidfd.h for a struct of 64 bytes, the first that has `exit_code` (Linux 6.15). */
const PIDFD_GET_INFO = 0xc0_40_ff_0b;
const PIDFD_INFO_EXIT = 8n;
const INFO_BYTES = 64;
const INFO_EXIT_CODE_AT = 60;

const PR_SET_CHILD_SUBREAPER = 36;
const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const SIGINFO_BYTES = 128;
/** Of the child that the answer is about; 0: there is none. */
const SIGINFO_PID_AT = 16;

const RLIMIT_RTTIME = 15;
const NO_LIMIT = 2n ** 64n - 1n;

const SIGNATURES = {
  syscall: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i64" },
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
  prctl: { args: ["int", "u64", "u64", "u64", "u64"], returns: "int" },
  waitid: { args: ["int", "int", "ptr", "int"], returns: "int" },
  prlimit: { args: ["int", "int", "ptr", "ptr"], returns: "int" },
  getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
  close: { args: ["int"], returns: "int" },
} as const;

/** See the head of this file. */
export interface LinuxCalls {
  /** A handle on a process, or null when there is none with that id, or the kernel (before 5.3) has no handles. */
  openProcess(pid: number): number | null;
  closeProcess(handle: number): void;
  /** False when it has ended, or may not be signalled. */
  signalProcess(handle: number, signal: number): boolean;
  /** Which of the processes have ended; one call for all of them. */
  endedOf(handles: readonly number[]): boolean[];
  /** The wait status of a process that was collected by its parent, whoever that is; null: the kernel does not tell (any more, or yet). */
  statusOfCollected(handle: number): number | null;
  /** Whether a child of this process is a zombie; costs next to nothing, however many children there are. */
  hasZombie(): boolean;
  /** Collects a zombie among the children of this process. */
  collect(pid: number): void;
  /** Makes this process the parent of the orphans among its descendants, or lets the system have them again. */
  adoptOrphans(value: boolean): void;
  /** Does `work` with a mark on this process that everything inherits that is started meanwhile. */
  marked<T>(mark: bigint, work: () => T): T;
  /** An attribute of a file, such as "trusted.delegate"; null where it has none. */
  attribute(path: string, name: string): string | null;
}

const text = (words: string): Uint8Array => new TextEncoder().encode(`${words}\0`);

/** @throws when this process may not make calls at all */
export function openLinuxCalls(): LinuxCalls {
  const c = openLibc(SIGNATURES);
  const own = new BigUint64Array(2);
  const canMark = c.prlimit(0, RLIMIT_RTTIME, null, own) === 0 && own[1] === NO_LIMIT;
  return {
    openProcess(pid) {
      const handle = Number(c.syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0));
      return handle < 0 ? null : handle;
    },
    closeProcess: (handle) => void c.close(handle),
    signalProcess: (handle, signal) => Number(c.syscall(SYS_PIDFD_SEND_SIGNAL, handle, signal, 0, 0)) === 0,
    endedOf(handles) {
      if (handles.length === 0) return [];
      const bytes = new Uint8Array(handles.length * POLL_BYTES);
      const asked = new DataView(bytes.buffer);
      for (const [index, handle] of handles.entries()) {
        asked.setInt32(index * POLL_BYTES, handle, true);
        asked.setInt16(index * POLL_BYTES + 4, POLLIN, true);
      }
      c.poll(bytes, handles.length, 0);
      return handles.map((_, index) => asked.getInt16(index * POLL_BYTES + 6, true) !== 0);
    },
    statusOfCollected(handle) {
      const bytes = new Uint8Array(INFO_BYTES);
      const info = new DataView(bytes.buffer);
      info.setBigUint64(0, PIDFD_INFO_EXIT, true);
      if (c.ioctl(handle, PIDFD_GET_INFO, bytes) !== 0) return null;
      const isTold = (info.getBigUint64(0, true) & PIDFD_INFO_EXIT) !== 0n;
      return isTold ? info.getInt32(INFO_EXIT_CODE_AT, true) : null;
    },
    hasZombie() {
      const info = new Uint8Array(SIGINFO_BYTES);
      const isAnswered = c.waitid(P_ALL, 0, info, WNOHANG | WEXITED | WNOWAIT) === 0;
      return isAnswered && new DataView(info.buffer).getInt32(SIGINFO_PID_AT, true) !== 0;
    },
    collect: (pid) => void c.waitid(P_PID, pid, new Uint8Array(SIGINFO_BYTES), WNOHANG | WEXITED),
    adoptOrphans: (value) => void c.prctl(PR_SET_CHILD_SUBREAPER, Number(value), 0, 0, 0),
    marked(mark, work) {
      if (!canMark) return work();
      c.prlimit(0, RLIMIT_RTTIME, new BigUint64Array([mark, NO_LIMIT]), null);
      try {
        return work();
      } finally {
        c.prlimit(0, RLIMIT_RTTIME, own, null);
      }
    },
    attribute(path, name) {
      const value = new Uint8Array(64);
      const size = Number(c.getxattr(text(path), text(name), value, value.length));
      return size < 0 ? null : new TextDecoder().decode(value.subarray(0, size));
    },
  };
}
