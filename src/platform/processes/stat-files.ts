import { closeSync, openSync, readSync } from "node:fs";
import type { ProcessRow, UsageSource } from "../../base/ports/process-table.ts";
import { hasCode } from "../io-error.ts";
import { parseStat } from "./linux-stat.ts";
import { listPids, readRow, toRow } from "./linux-table.ts";

/** More than a supervisor has children; each is one descriptor. Chosen, not measured. */
const FILES_MAX = 512;
const STAT_BYTES_MAX = 2048;

/**
 * Keeps `/proc/PID/stat` of the processes open that are asked about again and again: opening and closing them costs as
 * much as reading (measured: 200 of them 1.4 ms against 2.5). An open one is of one process for ever, whoever gets its id.
 */
export class StatFiles implements UsageSource {
  #files = new Map<number, number>();
  readonly #bytes = Buffer.alloc(STAT_BYTES_MAX);

  list(): Promise<readonly ProcessRow[]> {
    return this.pick(listPids().map(Number));
  }

  pick(pids: readonly number[]): Promise<readonly ProcessRow[]> {
    const before = this.#files;
    this.#files = new Map();
    try {
      return Promise.resolve(pids.flatMap((pid) => this.#read(pid, before) ?? []));
    } finally {
      for (const file of before.values()) closeSync(file);
    }
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  /** Takes the file over from `before`; what stays there is closed. */
  #read(pid: number, before: Map<number, number>): ProcessRow | null {
    const kept = this.#files.get(pid) ?? before.get(pid);
    if (kept === undefined) return this.#open(pid);
    const row = this.#readOpen(kept);
    // It has ended, and another one may have its id.
    if (row === null) return this.#open(pid);
    before.delete(pid);
    this.#files.set(pid, kept);
    return row;
  }

  #open(pid: number): ProcessRow | null {
    if (this.#files.size >= FILES_MAX) return readRow(pid);
    let file: number;
    try {
      file = openSync(`/proc/${pid}/stat`, "r");
    } catch (thrown) {
      if (hasCode(thrown, "ENOENT", "ESRCH")) return null;
      if (hasCode(thrown, "EMFILE", "ENFILE")) return readRow(pid);
      throw thrown;
    }
    const row = this.#readOpen(file);
    if (row === null) closeSync(file);
    else this.#files.set(pid, file);
    return row;
  }

  #readOpen(file: number): ProcessRow | null {
    try {
      const stat = parseStat(
        this.#bytes.toString("latin1", 0, readSync(file, this.#bytes, 0, STAT_BYTES_MAX, 0)),
      );
      return stat === null ? null : toRow(stat);
    } catch (thrown) {
      if (hasCode(thrown, "ESRCH")) return null;
      throw thrown;
    }
  }
}
