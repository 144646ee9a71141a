import { isatty } from "node:tty";

/** What a SIGHUP may mean to a process that goes on running. */
export interface HangupListener {
  /** Somebody asks to look at the configuration again. */
  readonly reload: () => void;
  /** The terminal it was started in is closed. */
  readonly terminalClosed: () => void;
}

const STDOUT = 1;

/** Listens for SIGHUP until the answer is called. Windows sends it only when a window closes, and then ends the process. */
export function onHangup(listener: HangupListener): () => void {
  if (process.platform === "win32") return () => undefined;
  const hadTerminal = isatty(STDOUT);
  const hear = (): void => {
    // The system says both with one signal; a terminal that is gone is no terminal any more.
    if (hadTerminal && !isatty(STDOUT)) listener.terminalClosed();
    else listener.reload();
  };
  process.on("SIGHUP", hear);
  shield?.();
  shield = null;
  return () => {
    process.off("SIGHUP", hear);
  };
}

let shield: (() => void) | null = null;

/**
 * Hears and forgets every SIGHUP until somebody listens: to a process that was running already and only became another
 * program it means "read the configuration again", which that does anyway.
 */
export function forgetHangups(): void {
  if (shield !== null) return;
  const forget = (): void => undefined;
  process.on("SIGHUP", forget);
  shield = () => process.off("SIGHUP", forget);
}
