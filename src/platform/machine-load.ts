import { cpus, loadavg } from "node:os";

/** What all processors of the machine did since they were started. */
export interface ProcessorTimes {
  readonly cores: number;
  readonly busyMs: number;
  readonly totalMs: number;
}

/** The times of all processors together; two of these make a rate. */
export function readProcessorTimes(): ProcessorTimes {
  const all = cpus().map(({ times: { user, nice, sys, idle, irq } }) => ({
    busyMs: user + nice + sys + irq,
    idleMs: idle,
  }));
  const busyMs = all.reduce((sum, one) => sum + one.busyMs, 0);
  return { cores: all.length, busyMs, totalMs: all.reduce((sum, one) => sum + one.idleMs, busyMs) };
}

/** Processes that run or wait to, on average over 1, 5 and 15 minutes; null on Windows, which has no such figure. */
export const readLoad = (): readonly number[] | null => (process.platform === "win32" ? null : loadavg());
