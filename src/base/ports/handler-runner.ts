/** One call of an operator's program. Nothing of it is ever read by a shell. */
export interface HandlerCall {
  /** The program, by absolute path or to be found on the PATH, and its arguments. */
  readonly command: readonly string[];
  readonly input: Uint8Array;
  /** Added to a small clean environment; values without NUL. */
  readonly variables: Readonly<Record<string, string>>;
  /** In the environment of the process, so that what is left of it can be told from all others later. */
  readonly token: string;
  /** More of stdout is read and dropped. */
  readonly outputBytesMax: number;
  readonly timeoutMs: number;
  /** Ends it, as its time does. */
  readonly signal: AbortSignal;
  /** Called once, as soon as there is a process. */
  readonly onStarted: (process: { readonly pid: number; readonly pidStarted: string | null }) => void;
}

/** How a call ended. `stderr` is cut. An exit code is 128 and the number for a process that a signal ended. */
export type HandlerOutcome =
  | {
      readonly ended: "exited";
      readonly exitCode: number;
      readonly stdout: Uint8Array;
      readonly isCut: boolean;
      readonly stderr: string;
    }
  | { readonly ended: "timeout" | "aborted"; readonly stderr: string }
  | { readonly ended: "impossible"; readonly reason: string };

/** A process that a daemon of this server started, as its journal has it. */
export interface LeftProcess {
  readonly token: string;
  readonly pid: number | null;
  readonly pidStarted: string | null;
}

/** Runs the programs that an operator gave messages to. */
export interface HandlerRunner {
  /** Runs one program in a process group of its own; when the promise settles, nothing of the group is left. */
  run(call: HandlerCall): Promise<HandlerOutcome>;
  /** Ends what is left of a process whose daemon died, and only that. True when there was something. */
  endLeft(process: LeftProcess): Promise<boolean>;
}
