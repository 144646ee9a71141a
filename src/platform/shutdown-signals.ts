import { constants } from "node:os";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Calls `shutDown` when the program has nothing left to do, and at SIGTERM and SIGINT, which then end it as they would have
 * without us. A second signal does so at once. Answers how to take that back.
 */
export function hookShutdown(shutDown: (reason: string) => Promise<unknown>): () => void {
  let isEnding = false;
  const unhook = (): void => {
    process.off("beforeExit", atEnd);
    for (const signal of SIGNALS) process.off(signal, atSignal);
  };
  const end = (signal: (typeof SIGNALS)[number]): void => {
    unhook();
    // Somebody else who listens has heard the signal already, and keeps it from ending anything.
    if (process.listenerCount(signal) > 0) process.exit(128 + constants.signals[signal]);
    process.kill(process.pid, signal);
  };
  const atSignal = (signal: NodeJS.Signals): void => {
    const known = SIGNALS.find((one) => one === signal) ?? "SIGTERM";
    if (isEnding) {
      end(known);
      return;
    }
    isEnding = true;
    void shutDown(known).finally(() => end(known));
  };
  const atEnd = (): void => {
    isEnding = true;
    void shutDown("exit");
  };
  process.on("beforeExit", atEnd);
  for (const signal of SIGNALS) process.on(signal, atSignal);
  return unhook;
}
