/** Asks running programs whether they are well, and hears what they say by themselves. */

/** A question that somebody answers over the network, or a program for them. */
export type ProbeQuestion =
  | {
      readonly kind: "http";
      readonly host: string;
      readonly port: number;
      /** With its query, beginning with "/". */
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Codes that count as well; null: 200 to 399. */
      readonly statuses: readonly number[] | null;
    }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | {
      readonly kind: "exec";
      /** The program, absolute or found in the PATH of `environment`, and its words; never a shell. */
      readonly command: readonly string[];
      readonly cwd: string;
      readonly environment: Readonly<Record<string, string>>;
    };

/** `detail` may be hostile text, bounded. */
export interface ProbeAnswer {
  readonly isWell: boolean;
  readonly detail: string;
}

/** Asks. */
export interface Prober {
  /** Never rejects, and never takes longer than `timeoutMs` and a moment; `signal` ends it with an answer, too. */
  ask(question: ProbeQuestion, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer>;
}

/** A socket on which a program tells of itself (`NOTIFY_SOCKET`). */
export interface NotifyRequest {
  /** The random token of the run: the same token has the same path again, under any daemon. */
  readonly run: string;
  /** Who has to be able to write to it; null: this process's own user. */
  readonly userId: number | null;
}

/** Hears programs; each of them only as far as the system vouches for who speaks. */
export interface NotifyReceiver {
  /** Makes the socket of a run, or takes it over from an earlier daemon. @throws FleetError CANNOT_CREATE */
  open(request: NotifyRequest): string;
  /**
   * Calls `onText` for each message that a process which `isMember` knows sends to the socket of a run, or one of the
   * service's user that has ended since.
   */
  listen(run: string, isMember: (pid: number) => boolean, onText: (text: string, pid: number) => void): void;
  /** Closes and removes the socket of a run; none is fine. */
  end(run: string): void;
  /** Lets go of every socket; their files stay for the next daemon. */
  close(): void;
}
