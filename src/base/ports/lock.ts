/** A lock that the operating system frees when its holder dies. */
export interface Lock {
  release(): void;
}

/** An open file that the same process may go on having as another program, after `execve`. */
export interface Keepable {
  /**
   * Lets the file outlive an `execve` and answers the descriptor that the new program takes it over with; null where
   * this system or this file cannot. To be called right before: a child that is started afterwards would have it, too.
   */
  keepOverExec(): number | null;
  /** Takes that back after an `execve` that failed; the file is open all the same. */
  keepNoLonger(): void;
}

/** A lock that the same process may go on holding as another program. */
export interface KeepableLock extends Lock, Keepable {}

/** Who holds a lock, as the holder wrote it down. */
export interface LockHolder {
  readonly pid: number;
  readonly startedWallMs: number;
  /** The server whose daemon it is, where a lock is not of one server alone. */
  readonly server?: string;
}
