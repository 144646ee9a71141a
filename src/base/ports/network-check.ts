/** One step on the way to a remote. `detail` says what was found: an address, or what went wrong. */
export interface CheckStage {
  readonly name: "dns" | "tcp" | "tls" | "folder";
  readonly ok: boolean;
  readonly durationMs: number;
  readonly detail: string;
}

/** What a check found. Stages end with the first that failed. */
export interface NetworkReport {
  readonly ok: boolean;
  /** Why nothing was checked; such a check is good, since it knows nothing bad. Null when it was made. */
  readonly skipped: string | null;
  /** What was checked: `host:port`, or the path of a folder. Empty when skipped. */
  readonly target: string;
  readonly stages: readonly CheckStage[];
  /** What failed, for an operator; null while `ok`. */
  readonly failure: string | null;
}

/** Whether the way to the configured remote is open, found out without starting git. */
export interface NetworkCheck {
  /** The host of a remote that is asked over a network, as its address names it; null for any other. */
  readonly host: string | null;
  /** True where a check leaves a trace that a host may hold against us (ssh): made only in doubt then. */
  readonly isNoticed: boolean;
  /** Checks, at most for `timeoutMs`; never throws. */
  check(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<NetworkReport>;
}
