/**
 * The calls of Linux that finding a listener takes, opened once. Loaded when it is needed: programs that use the library may
 * run in Node, which has no such thing, and a system that forbids memory which is both written and run has none either.
 */

const SIGNATURES = {
  socket: { args: ["int", "int", "int"], returns: "int" },
  send: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  recv: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  open: { args: ["ptr", "int"], returns: "int" },
  readlinkat: { args: ["int", "u64", "ptr", "u64"], returns: "i64" },
  syscall: { args: ["i64", "i64", "ptr", "u64"], returns: "i64" },
  close: { args: ["int"], returns: "int" },
} as const;

/** See the head of this file. */
export interface SocketCalls {
  readonly c: Awaited<ReturnType<typeof openThem>>["c"];
  /** Where in memory these bytes lie; they stay there for as long as somebody has them. */
  readonly addressOf: (bytes: Uint8Array) => number;
}

async function openThem() {
  const [{ openLibc }, { ptr }] = await Promise.all([import("../libc.ts"), import("bun:ffi")]);
  return { c: openLibc(SIGNATURES), addressOf: (bytes: Uint8Array): number => ptr(bytes) };
}

let opened: Promise<SocketCalls | null> | undefined;

/** Null where this process cannot make calls of its own. */
export function openSocketCalls(): Promise<SocketCalls | null> {
  opened ??= openThem().catch(() => null);
  return opened;
}
