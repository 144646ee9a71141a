/** The clock that every process has of its own processor time: one call, without any file. */

const SIGNATURES = { clock_gettime: { args: ["int", "ptr"], returns: "int" } } as const;

/** The clock of a whole process by its id, as clock_getcpuclockid(3) makes it of one. */
const clockOf = (pid: number): number => (~pid << 3) | 2;

/**
 * Answers how long a process has computed, with all of its threads, ns; null when there is none with this id. Two equal
 * answers: it did not run in between, not for an instant, so it is the same process and nothing that it does has changed.
 */
export type ProcessorClock = (pid: number) => number | null;

/** Null where calls are not possible. */
export async function openProcessorClock(): Promise<ProcessorClock | null> {
  try {
    const { openLibc } = await import("../libc.ts");
    const { clock_gettime: ask } = openLibc(SIGNATURES);
    // Seconds and nanoseconds, 64 bits each, the lower half first.
    const answer = new Uint32Array(4);
    const nsOf = (pid: number): number | null =>
      ask(clockOf(pid), answer) === 0 ? (answer[0] ?? 0) * 1e9 + (answer[2] ?? 0) : null;
    return nsOf(process.pid) === null ? null : nsOf;
  } catch {
    return null;
  }
}
