/** Calls of Windows for processes and jobs; x64 and arm64, whose structures are alike. */
import { dlopen, type Pointer, ptr } from "bun:ffi";

const SIGNATURES = {
  CloseHandle: { args: ["ptr"], returns: "i32" },
  CreateFileW: { args: ["ptr", "u32", "u32", "ptr", "u32", "u32", "ptr"], returns: "ptr" },
  CreateJobObjectW: { args: ["ptr", "ptr"], returns: "ptr" },
  OpenJobObjectW: { args: ["u32", "i32", "ptr"], returns: "ptr" },
  AssignProcessToJobObject: { args: ["ptr", "ptr"], returns: "i32" },
  SetInformationJobObject: { args: ["ptr", "u32", "ptr", "u32"], returns: "i32" },
  QueryInformationJobObject: { args: ["ptr", "u32", "ptr", "u32", "ptr"], returns: "i32" },
  TerminateJobObject: { args: ["ptr", "u32"], returns: "i32" },
  CreateProcessW: {
    args: ["ptr", "ptr", "ptr", "ptr", "i32", "u32", "ptr", "ptr", "ptr", "ptr"],
    returns: "i32",
  },
  InitializeProcThreadAttributeList: { args: ["ptr", "u32", "u32", "ptr"], returns: "i32" },
  UpdateProcThreadAttribute: { args: ["ptr", "u32", "u64", "ptr", "u64", "ptr", "ptr"], returns: "i32" },
  DuplicateHandle: { args: ["ptr", "ptr", "ptr", "ptr", "u32", "i32", "u32"], returns: "i32" },
  GetCurrentProcess: { args: [], returns: "ptr" },
  ResumeThread: { args: ["ptr"], returns: "u32" },
  OpenProcess: { args: ["u32", "i32", "u32"], returns: "ptr" },
  TerminateProcess: { args: ["ptr", "u32"], returns: "i32" },
  GetExitCodeProcess: { args: ["ptr", "ptr"], returns: "i32" },
  GetProcessTimes: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  WaitForSingleObject: { args: ["ptr", "u32"], returns: "u32" },
  GetLastError: { args: [], returns: "u32" },
} as const;

/** The calls themselves. */
export type Kernel = ReturnType<typeof openKernel>;

/** Opens the library of all of them; Windows finds it in its own folder, whatever the current one is. */
export const openKernel = () => dlopen("kernel32.dll", SIGNATURES).symbols;

/** A text as Windows has it. */
export const wide = (text: string): Uint16Array =>
  Uint16Array.from({ length: text.length + 1 }, (_, index) =>
    index < text.length ? text.charCodeAt(index) : 0,
  );

/** What a call that makes a handle answers when it could not. */
export const isHandle = (handle: Pointer | bigint | null): handle is Pointer =>
  typeof handle === "number" && handle !== 0 && handle !== -1;

/** The address of what a handle list or a structure points to. */
export const addressOf = (view: NodeJS.TypedArray): bigint => BigInt(ptr(view));

const SYNCHRONIZE = 0x10_00_00;
const PROCESS_QUERY_LIMITED_INFORMATION = 0x10_00;
const PROCESS_TERMINATE = 1;
const STILL_WAITING = 0x1_02;

/** Opens a process to look at it, wait for it and end it; null when there is none, or it may not be. */
export function openProcess(kernel: Kernel, pid: number): Pointer | null {
  const rights = SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE;
  const handle = kernel.OpenProcess(rights, 0, pid);
  return isHandle(handle) ? handle : null;
}

/** When a process was made, in the 100 ns of Windows, as text. */
export function startOfHandle(kernel: Kernel, process: Pointer): string {
  const times = new BigUint64Array(4);
  const [made, ended, inKernel, inUser] = [0, 1, 2, 3].map((index) => times.subarray(index, index + 1));
  kernel.GetProcessTimes(process, made ?? null, ended ?? null, inKernel ?? null, inUser ?? null);
  return String(times[0]);
}

/** The exit code of a process; null while it runs. */
export function exitCodeOf(kernel: Kernel, process: Pointer): number | null {
  if (kernel.WaitForSingleObject(process, 0) === STILL_WAITING) return null;
  const code = new Uint32Array(1);
  kernel.GetExitCodeProcess(process, code);
  return code[0] ?? 0;
}
