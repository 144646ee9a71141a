/** A lock that the operating system frees when its holder dies. */
export interface Lock {
  release(): void;
}

/** A lock that the same process may go on holding as another program, after `execve`. */
export interface KeepableLock extends Lock {
  /**
   * Lets the lock outlive an `execve` and answers the descriptor that the new program takes it over with; null where
   * this system or this lock cannot. To be called right before: a child that is started afterwards would hold it, too.
   */
  keepOverExec(): number | null;
  /** Takes that back after an `execve` that failed; the lock is held all the same. */
  keepNoLonger(): void;
}

/** Who holds a lock, as the holder wrote it down. */
export interface LockHolder {
  readonly pid: number;
  readonly startedWallMs: number;
  /** The server whose daemon it is, where a lock is not of one server alone. */
  readonly server?: string;
}
