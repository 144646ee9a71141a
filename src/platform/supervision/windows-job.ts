/** Jobs: what Windows has to hold a tree of processes together. One for each start, found again by its name. */
import type { Pointer } from "bun:ffi";
import { cpus } from "node:os";
import { FleetError } from "../../base/errors.ts";
import type { ProcessLimits } from "../../base/ports/process-host.ts";
import { isHandle, type Kernel, wide } from "./windows-calls.ts";

const JOB_ALL_ACCESS = 0x1f_00_3f;
const PROCESS_LIST = 3;
const EXTENDED_LIMITS = 9;
const CPU_RATE = 15;

const LIMIT_ACTIVE_PROCESS = 0x8;
const LIMIT_JOB_MEMORY = 0x2_00;

const EXTENDED_BYTES = 144;
const FLAGS_AT = 16;
const ACTIVE_PROCESS_AT = 40;
const JOB_MEMORY_AT = 120;

const RATE_ENABLE = 1;
const RATE_HARD_CAP = 4;
/** All processors together. */
const RATE_WHOLE = 10_000;

/** How many processes of one job are listed at most. */
const MEMBERS_MAX = 4096;

const nameOf = (run: string): Uint16Array => wide(`Local\\fleetd-${run}`);

/** Makes the job of a start. Nothing ends with its handle: what is in it outlives this process. @throws FleetError FAILED */
export function createJob(kernel: Kernel, run: string, limits: ProcessLimits): Pointer {
  const job = kernel.CreateJobObjectW(null, nameOf(run));
  if (!isHandle(job)) throw failed(kernel, "make a job");
  const extended = new DataView(new ArrayBuffer(EXTENDED_BYTES));
  let flags = 0;
  if (limits.pids !== null) {
    flags |= LIMIT_ACTIVE_PROCESS;
    extended.setUint32(ACTIVE_PROCESS_AT, limits.pids, true);
  }
  if (limits.memoryBytes !== null) {
    flags |= LIMIT_JOB_MEMORY;
    extended.setBigUint64(JOB_MEMORY_AT, BigInt(limits.memoryBytes), true);
  }
  extended.setUint32(FLAGS_AT, flags, true);
  const bytes = new Uint8Array(extended.buffer);
  if (flags !== 0 && kernel.SetInformationJobObject(job, EXTENDED_LIMITS, bytes, EXTENDED_BYTES) === 0) {
    throw failed(kernel, "limit a job");
  }
  if (limits.cpus !== null) limitProcessors(kernel, job, limits.cpus);
  return job;
}

function limitProcessors(kernel: Kernel, job: Pointer, wanted: number): void {
  const share = Math.round((wanted / cpus().length) * RATE_WHOLE);
  const rate = new Uint32Array([RATE_ENABLE | RATE_HARD_CAP, Math.min(RATE_WHOLE, Math.max(1, share))]);
  if (kernel.SetInformationJobObject(job, CPU_RATE, rate, rate.byteLength) === 0) {
    throw failed(kernel, "limit the processors of a job");
  }
}

/** The job of a start; null when it is gone, which it is when nobody has a handle on it any more. */
export function openJob(kernel: Kernel, run: string): Pointer | null {
  const job = kernel.OpenJobObjectW(JOB_ALL_ACCESS, 0, nameOf(run));
  return isHandle(job) ? job : null;
}

/** Ids of the processes in a job. */
export function membersOfJob(kernel: Kernel, job: Pointer): number[] {
  // Assigned (u32), listed (u32), ids (as wide as a pointer).
  const list = new BigUint64Array(1 + MEMBERS_MAX);
  if (kernel.QueryInformationJobObject(job, PROCESS_LIST, list, list.byteLength, null) === 0) return [];
  const listed = Number((list[0] ?? 0n) >> 32n);
  return [...list.subarray(1, 1 + listed)].map(Number);
}

/** A failure of a call, with its number. */
export const failed = (kernel: Kernel, what: string): FleetError =>
  new FleetError("FAILED", `Cannot ${what}: Windows answers with error ${kernel.GetLastError()}`);
