/**
 * What the helper does between its own start and the program's: `fleetd __exec` with a plan on stdin. The helper is this very
 * executable; it gives up rights, sets limits, and becomes the program, so the program has the helper's process id. When it
 * cannot, it says why on its stdout, which closes by itself as soon as the program runs.
 */

/** The one word the helper is started with, together with the variable. Nobody types both. */
export const HELPER_WORD = "__exec";
/** Has to be "1" in the helper's environment. */
export const HELPER_VARIABLE = "FLEETD_EXEC";

/** What the helper says first: from now on it either becomes the program, or says why it cannot. */
export const READY = "ready\n";

/** As whom the program runs. */
export interface Account {
  readonly uid: number | null;
  readonly gid: number;
  /** Whose supplementary groups it gets; null: none but `gid`. */
  readonly name: string | null;
}

/** See the head of this file. */
export interface ExecPlan {
  readonly program: string;
  readonly words: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly account: Account | null;
  /** How many sockets are handed on, from descriptor 3. */
  readonly listeners: number;
  /** How many processes the user may have; null: as before. */
  readonly processesMax: number | null;
}

/** Why the helper could not become the program. */
export interface ExecFailure {
  /** "Cannot ...", without the reason. */
  readonly message: string;
  readonly reason: string;
}
