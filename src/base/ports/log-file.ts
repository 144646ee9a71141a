/** How much a log may hold; asked again at every write, so that a changed configuration takes effect. */
export interface LogLimits {
  /** A file that would grow past this is put aside, bytes. */
  readonly fileBytes: number;
  /** What was put aside longer ago than this is removed, ms. */
  readonly keepMs: number;
  /** All files together stay below this, bytes. */
  readonly totalBytes: number;
}

/** A log made of whole lines, bounded, that never gets in the way of whoever writes it. */
export interface LogFile {
  /** Takes a line without its newline. Never throws and does not wait for the disk: it is written within a second. */
  write(line: string): void;
  /** Hands what was taken to the system now. Never throws. */
  flush(): void;
  /** Flushes and lets go of the file. */
  close(): void;
}

/** What a log tells of itself; each once per trouble, not per line. */
export interface LogFileEvents {
  /** Lines cannot be written; they are kept as long as there is room. */
  readonly onTrouble: (detail: string) => void;
  /** Lines are written again; `lost` of them were given up meanwhile. */
  readonly onRecovered: (lost: number) => void;
}
