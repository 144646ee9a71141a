/** A lock that the operating system frees when its holder dies. */
export interface Lock {
  release(): void;
}

/** Who holds a lock, as the holder wrote it down. */
export interface LockHolder {
  readonly pid: number;
  readonly startedWallMs: number;
}
