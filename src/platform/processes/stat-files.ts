import { closeSync, openSync, readSync } from "node:fs";
import type { ProcessRow, UsageSource } from "../../base/ports/process-table.ts";
import { hasCode } from "../io-error.ts";
import { parseStat } from "./linux-stat.ts";
import { listPids, listRows, newestPid, readRow, toRow } from "./linux-table.ts";
import type { ProcessorClock } from "./processor-clock.ts";

/** More than a supervisor has busy children; each is one descriptor. Chosen, not measured. */
const FILES_MAX = 512;
const STAT_BYTES_MAX = 2048;

/** What is known of a process from the last look. */
interface Known {
  row: ProcessRow;
  ranNs: number | null;
  /** Its `stat`, once it ran between two looks. An open one is of one process for ever, whoever gets its id. */
  file: number | null;
}

/**
 * Looks again and again at the same processes. What did not run since has changed nothing: its clock tells (measured: 200 of
 * them 0.1 ms, against 1.0 for reading). What did run is read from a file that stays open: opening and closing one costs
 * as much as reading it. `clock` null: all of them are read.
 */
export class StatFiles implements UsageSource {
  readonly #clock: ProcessorClock | null;
  #known = new Map<number, Known>();
  #fileCount = 0;
  readonly #bytes = Buffer.alloc(STAT_BYTES_MAX);
  /** The ids of all processes, and the one that was given away last before they were listed. */
  #listed: { readonly newest: string; readonly pids: ReadonlySet<number> } | null = null;

  constructor(clock: ProcessorClock | null) {
    this.#clock = clock;
  }

  list(): Promise<readonly ProcessRow[]> {
    // The system may take memory also from what does not run.
    this.close();
    this.#newcomers();
    return Promise.resolve(listRows());
  }

  pick(pids: readonly number[]): Promise<readonly ProcessRow[]> {
    const before = this.#known;
    this.#known = new Map();
    try {
      return Promise.resolve(pids.flatMap((pid) => this.#look(pid, before) ?? []));
    } finally {
      for (const known of before.values()) this.#closeFile(known);
    }
  }

  async follow(pids: readonly number[]): Promise<readonly ProcessRow[]> {
    const newcomers = this.#newcomers().flatMap((pid) => readRow(pid) ?? []);
    const picked = new Set(pids);
    return [...(await this.pick(pids)), ...newcomers.filter(({ pid }) => !picked.has(pid))];
  }

  close(): void {
    for (const known of this.#known.values()) this.#closeFile(known);
    this.#known.clear();
  }

  /** Ids that are there and were not when this was asked before. */
  #newcomers(): number[] {
    const before = this.#listed;
    const newest = newestPid();
    // Nothing was started since. Threads have ids too, so a busy machine is listed each time.
    if (newest !== "" && newest === before?.newest) return [];
    const pids = listPids().map(Number);
    this.#listed = { newest, pids: new Set(pids) };
    return before === null ? pids : pids.filter((pid) => !before.pids.has(pid));
  }

  /** Takes what is known over from `before`; what stays there is let go. */
  #look(pid: number, before: Map<number, Known>): ProcessRow | null {
    const known = this.#known.get(pid) ?? before.get(pid);
    const ranNs = this.#clock?.(pid) ?? null;
    if (known === undefined) return this.#lookFirst(pid, ranNs);
    if (ranNs === null || ranNs !== known.ranNs) {
      const row = this.#readAgain(pid, known);
      // It has ended, and another one may have its id.
      if (row === null) return this.#lookFirst(pid, ranNs);
      known.row = row;
      known.ranNs = ranNs;
    }
    before.delete(pid);
    this.#known.set(pid, known);
    return known.row;
  }

  #lookFirst(pid: number, ranNs: number | null): ProcessRow | null {
    const row = readRow(pid);
    if (row !== null) this.#known.set(pid, { row, ranNs, file: null });
    return row;
  }

  #readAgain(pid: number, known: Known): ProcessRow | null {
    if (known.file === null) this.#openFile(pid, known);
    return known.file === null ? readRow(pid) : this.#readOpen(known.file);
  }

  #openFile(pid: number, known: Known): void {
    if (this.#fileCount >= FILES_MAX) return;
    try {
      known.file = openSync(`/proc/${pid}/stat`, "r");
      this.#fileCount += 1;
    } catch (thrown) {
      if (!hasCode(thrown, "ENOENT", "ESRCH", "EMFILE", "ENFILE")) throw thrown;
    }
  }

  #closeFile(known: Known): void {
    if (known.file === null) return;
    closeSync(known.file);
    known.file = null;
    this.#fileCount -= 1;
  }

  #readOpen(file: number): ProcessRow | null {
    try {
      const bytes = readSync(file, this.#bytes, 0, STAT_BYTES_MAX, 0);
      const stat = parseStat(this.#bytes.toString("latin1", 0, bytes));
      return stat === null ? null : toRow(stat);
    } catch (thrown) {
      if (hasCode(thrown, "ESRCH")) return null;
      throw thrown;
    }
  }
}
