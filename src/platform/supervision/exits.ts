import { constants } from "node:os";
import type { Exit } from "../../base/ports/process-host.ts";

/** Of two names for one number the first counts: SIGABRT, not SIGIOT. */
const NAMES = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** The number of a signal; null when this system has none of that name. */
export const signalNumber = (name: string): number | null =>
  new Map<string, number>(Object.entries(constants.signals)).get(name) ?? null;

/** The name of a signal; null when this system has none of that number. */
export const signalName = (number: number): string | null => NAMES.get(number) ?? null;

/** What a wait status of POSIX says. */
export function exitOfStatus(status: number): Exit {
  const signal = status & 0x7f;
  if (signal === 0) return { kind: "code", code: (status >> 8) & 0xff };
  return { kind: "signal", signal: NAMES.get(signal) ?? `SIG${signal}` };
}

/** How a child of Bun ended. */
export async function exitOfChild(child: Bun.Subprocess): Promise<Exit> {
  const code = await child.exited;
  const { signalCode } = child;
  return signalCode === null ? { kind: "code", code } : { kind: "signal", signal: String(signalCode) };
}

/** Waits until Bun has collected a child that ended, which a program that traces it can delay: at most so long. */
export async function childCollected(child: Bun.Subprocess, withinMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, withinMs);
  void child.exited.then(() => resolve());
  await promise;
  clearTimeout(timer);
}
