/** What processes use between two looks: processor time is only told in total, so a share of it takes two of them. */
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessRow, ProcessTable } from "../../base/ports/process-table.ts";

/** A process, and what it used since the look before. */
export interface UsageRow extends ProcessRow {
  /** 100 is one processor, busy all the time. Null at the first look at it, and where it is not told. */
  readonly cpuPercent: number | null;
}

interface Look {
  readonly start: string | null;
  readonly cpuMs: number | null;
  readonly atMonoMs: number;
}

/** Looks at many processes at once, and remembers them until the next look, not longer. */
export class UsageSampler {
  readonly #table: ProcessTable;
  readonly #clock: Clock;
  #last: ReadonlyMap<number, Look> = new Map();

  constructor(table: ProcessTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** Usage of those of `pids` that are there, or (null) of all; what is not looked at is forgotten. */
  async sample(pids: readonly number[] | null): Promise<UsageRow[]> {
    const rows = pids === null ? await this.#table.list() : await this.#table.pick(pids);
    const atMonoMs = this.#clock.monotonicMs();
    const looks = new Map<number, Look>();
    const usage = rows.map((row) => {
      const look = { start: row.start, cpuMs: row.cpuMs, atMonoMs };
      looks.set(row.pid, look);
      return { ...row, cpuPercent: shareOf(this.#last.get(row.pid), look) };
    });
    this.#last = looks;
    return usage;
  }
}

function shareOf(before: Look | undefined, now: Look): number | null {
  // The same id with another start is another process.
  if (before === undefined || before.start !== now.start) return null;
  const passedMs = now.atMonoMs - before.atMonoMs;
  if (before.cpuMs === null || now.cpuMs === null || passedMs <= 0) return null;
  return (Math.max(0, now.cpuMs - before.cpuMs) / passedMs) * 100;
}
