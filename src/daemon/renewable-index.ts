/**
 * The index of one server, which may be thrown away at any time.
 *
 * A damaged page is found when somebody reads it, perhaps in the middle of taking in a log. What was read from the old
 * file must never be continued in a new one, so from the first damage on every call fails, until whoever works with the
 * index comes to a place where nothing is under way and calls `renew`: then the files go, and an empty index is there.
 * Another process may have done the same; its new file is found by its inode.
 */
import { statSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import type { Database, SqlRow, SqlValue } from "../base/ports/database.ts";
import { checkDatabase } from "../platform/check-database.ts";
import { removeTree } from "../platform/files.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { isDamage, isReadOnly } from "../platform/sqlite-database.ts";

/** Removes the files of the index; everything in it is made again from the object store. */
export function removeIndex(paths: ServerPaths): void {
  try {
    for (const suffix of ["", "-wal", "-shm"]) removeTree(paths.index + suffix);
  } catch (thrown) {
    // Windows removes no file that a process has open.
    const message = `Cannot remove "${paths.index}": ${messageOf(thrown)}`;
    throw causedBy("IO", message, thrown, "Where a monitor has it open, stop that first");
  }
}

/** Whether a failure says that the index, and nothing else, is damaged. */
export const isIndexDamage = (thrown: unknown): boolean =>
  isDamage(thrown) && messageOf(thrown).includes("index.db");

/** Whether a failure says that the state is damaged. */
export const isStateDamage = (thrown: unknown): boolean => isDamage(thrown) && !isIndexDamage(thrown);

/** An index that can be begun anew while it is in use. */
export class RenewableIndex implements Database {
  readonly #paths: ServerPaths;
  readonly #open: () => Database;
  #file: Database;
  #inode: number | null;
  #damage: FleetError | null = null;

  /** `open`: opens the file, making it where there is none. @throws FleetError IO */
  constructor(paths: ServerPaths, open: () => Database) {
    this.#paths = paths;
    this.#open = open;
    this.#file = this.#openWhole();
    this.#inode = inodeOf(paths.index);
  }

  /** Why it has to be begun anew, or null. */
  get damage(): FleetError | null {
    return this.#damage;
  }

  /** Says that something read from it made no sense. */
  noteDamage(thrown: unknown): void {
    if (thrown instanceof FleetError) this.#damage ??= thrown;
  }

  /**
   * Begins it anew if it is damaged, and follows another process that did; to be called where nothing is under way. True
   * when it is empty now because of damage. @throws FleetError IO
   */
  renew(): boolean {
    const isDamaged = this.#damage !== null;
    if (!isDamaged && inodeOf(this.#paths.index) === this.#inode) return false;
    this.#file.close();
    if (isDamaged && inodeOf(this.#paths.index) === this.#inode) removeIndex(this.#paths);
    this.#file = this.#openWhole();
    this.#inode = inodeOf(this.#paths.index);
    this.#damage = null;
    return isDamaged;
  }

  run(sql: string, ...parameters: SqlValue[]): number {
    return this.#guard(() => this.#file.run(sql, ...parameters));
  }

  all<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row[] {
    return this.#guard(() => this.#file.all<Row>(sql, ...parameters));
  }

  get<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row | null {
    return this.#guard(() => this.#file.get<Row>(sql, ...parameters));
  }

  transaction<T>(body: () => T): T {
    return this.#guard(() => this.#file.transaction(body));
  }

  relaxedTransaction<T>(body: () => T): T {
    return this.#guard(() => this.#file.relaxedTransaction(body));
  }

  close(): void {
    this.#file.close();
    // What is known to be damaged is not left to the next one, who may not read that page.
    if (this.#damage !== null && inodeOf(this.#paths.index) === this.#inode) removeIndex(this.#paths);
  }

  #guard<T>(work: () => T): T {
    if (this.#damage !== null) throw this.#damage;
    try {
      return work();
    } catch (thrown) {
      if (isDamage(thrown)) this.#damage = this.#judge(thrown);
      // `renew` then opens it again.
      if (isReadOnly(thrown)) this.#inode = null;
      throw this.#damage ?? thrown;
    }
  }

  /** The state is attached to it, and SQLite does not say which of both it found damaged. */
  #judge(thrown: unknown): FleetError | null {
    const state = checkDatabase(this.#paths.state);
    if (typeof state !== "string") {
      throw causedBy("IO", `Cannot use database "${this.#paths.state}": ${state.problem}`, thrown);
    }
    return thrown instanceof FleetError ? thrown : null;
  }

  #openWhole(): Database {
    if (["", "-wal", "-shm"].some((suffix) => isFolder(this.#paths.index + suffix))) removeIndex(this.#paths);
    try {
      return this.#open();
    } catch (thrown) {
      if (!isDamage(thrown)) throw thrown;
      removeIndex(this.#paths);
      return this.#open();
    }
  }
}

const inodeOf = (path: string): number | null => statSync(path, { throwIfNoEntry: false })?.ino ?? null;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
