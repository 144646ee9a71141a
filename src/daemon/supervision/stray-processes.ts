import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { ProcessRow } from "../../base/ports/process-table.ts";

/** A process that was looked into, and what it said. */
interface Examined {
  readonly start: string | null;
  readonly isOf: ((run: string) => boolean) | null;
}

/**
 * Finds out of which run a process is that left its session and lost its parents. Looking into a process costs more than
 * all else of a look, and what it says stays true: each is looked into once.
 */
export class StrayProcesses {
  readonly #whose: (pid: number) => Examined["isOf"];
  readonly #examined = new Map<number, Examined>();

  constructor(host: Pick<ProcessHost, "whose">) {
    this.#whose = (pid) => host.whose?.(pid) ?? null;
  }

  /** The one of `runs` that it is of; null: of none of them. */
  runOf({ pid, start }: ProcessRow, runs: Iterable<string>): string | null {
    const known = this.#examined.get(pid);
    const { isOf } = known?.start === start ? known : this.#examine(pid, start);
    if (isOf === null) return null;
    for (const run of runs) if (isOf(run)) return run;
    return null;
  }

  /** Nothing is kept of what is gone. `rows`: all that is there. */
  keepOnly(rows: readonly ProcessRow[]): void {
    const there = new Set(rows.map(({ pid }) => pid));
    for (const pid of this.#examined.keys()) if (!there.has(pid)) this.#examined.delete(pid);
  }

  #examine(pid: number, start: string | null): Examined {
    const examined = { start, isOf: this.#whose(pid) };
    this.#examined.set(pid, examined);
    return examined;
  }
}
