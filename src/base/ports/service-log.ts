/**
 * The log of one supervised program. What the program writes is appended by the system to a file, its spool, whether
 * anybody is there to read it or not; the log reads spools and writes lines, each once, also over the sudden death of
 * the process that does so.
 */
import type { LogLevel } from "../log-line.ts";
import type { Clock } from "./clock.ts";
import type { LogFileEvents, LogLimits } from "./log-file.ts";

/** How much a program may write; asked again at every step, so that a changed configuration takes effect. */
export interface PumpLimits extends LogLimits {
  /** So many lines are kept in a second, the rest is counted and dropped; 0: no limit. */
  readonly linesPerSecond: number;
  /** With less free room than this on the disk nothing is written, bytes. */
  readonly diskFreeBytes: number;
  /** The beginning of a line whose end does not come is shown after this time, ms. */
  readonly partialMs: number;
}

/** One line of the log. */
export interface ServiceLine {
  /** RFC 3339 with milliseconds and `Z`: when it was read, or when the spool was last written if that was earlier. */
  readonly timestamp: string;
  readonly level: LogLevel;
  readonly text: string;
}

/** What a log is made with. */
export interface ServiceLogOptions extends LogFileEvents {
  readonly limits: () => PumpLimits;
  readonly clock: Clock;
  /**
   * Told each line without its end, also those that are dropped; `spool` is where it came from. After the death of a
   * reader a line may be told to the next one a second time.
   */
  readonly onLine?: (line: string, spool: string) => void;
}

/** The log of one program. No call throws, and none waits for anything but the disk. */
export interface ServiceLog {
  /** From now on this spool is read, from where the last reader of it stood; it may come into being later. */
  follow(spool: string): void;
  /**
   * Reads a bounded piece of what was written. True: more waits, so call again soon; false: wait for the next look.
   * A look at a program that wrote nothing costs a few microseconds.
   */
  pump(): boolean;
  /**
   * Nobody writes to this spool any more: reads a bounded piece of the rest, and removes the file after its end. True:
   * it is gone; false: call again. A spool that is not followed is followed first.
   */
  finished(spool: string): boolean;
  /** Removes what is older than it may be: also of a program that is silent, which gives no other reason to look. */
  expire(): void;
  /** The spools that are there, followed or left over from earlier. */
  spools(): readonly string[];
  /** The last lines, oldest first. */
  tail(count: number): readonly ServiceLine[];
  /** Whether the system gives back what was read of a spool that is still written to; null before anything was read. */
  readonly freesRead: boolean | null;
  /** Lets go of the files. Spools stay, and are gone on with by the next reader. */
  close(): void;
}
