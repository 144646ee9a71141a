// The one signal of a process. A command that waits asks for it, and only then are SIGINT and SIGTERM caught: a command
// that does not ask is ended by the system at once, which is right for it and costs nothing at start.

/** Why the running command is to stop, and the exit code the process then ends with. */
export class Interruption extends Error {
  override readonly name = "Interruption";
  readonly exitCode: number;
  constructor(cause: string, exitCode: number) {
    super(`Interrupted: ${cause}`);
    this.exitCode = exitCode;
  }
}

// 128 + the number of the signal, as a shell reports it.
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

let controller: AbortController | undefined;

/**
 * Aborts with an `Interruption` at SIGINT or SIGTERM; the process then ends with 130 or 143 as soon as the command
 * returns. A second signal ends it at once.
 */
export function commandSignal(): AbortSignal {
  if (controller !== undefined) return controller.signal;
  controller = new AbortController();
  for (const [name, exitCode] of Object.entries(EXIT_BY_SIGNAL)) {
    process.on(name, () => {
      if (interruption() !== undefined) process.exit(exitCode);
      interrupt(new Interruption(name, exitCode));
    });
  }
  return controller.signal;
}

/** Stops the running command as a signal would, for reasons found inside; only the first one counts. */
export function interrupt(reason: Interruption): void {
  commandSignal();
  controller?.abort(reason);
}

/** Why the command was told to stop, or `undefined` while it was not. */
export function interruption(): Interruption | undefined {
  const reason: unknown = controller?.signal.reason;
  return reason instanceof Interruption ? reason : undefined;
}
