/** How much room a file system has for this user. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** How much memory may be used. `limitedBy` says whose limit is the tighter one: the machine's, or a cgroup's. */
export interface MemorySpace {
  readonly availableBytes: number;
  readonly totalBytes: number;
  readonly limitedBy: "machine" | "cgroup";
}
