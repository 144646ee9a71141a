import { type Pointer, ptr, read } from "bun:ffi";
import { getSystemErrorMessage } from "node:util";
import { openLibc } from "./libc.ts";

const SIG_DFL = 0n;
const SIG_IGN = 1n;
/** Larger than `struct sigaction` of any C library. */
const ACTION_BYTES = 256;

/** A program and how it is started; texts as C has them, see `toText`. */
export interface Execution {
  readonly path: string;
  readonly words: readonly Uint8Array[];
  readonly environment: readonly Uint8Array[];
  /** What the program finds: signals that end it or mean nothing, and those that are ignored until it asks for them. */
  readonly signals: { readonly byDefault: readonly number[]; readonly ignored: readonly number[] };
}

/** A text of C. */
export const toText = (words: string): Uint8Array => new TextEncoder().encode(`${words}\0`);

/**
 * Makes this process another program, which has its id, its children, and every descriptor that is not closed by that.
 * Only comes back, with the reason, when it could not; the signals are as they were then. Linux only. Bun's own `process.execve` closes
 * every descriptor from 3 on.
 * @throws where calls of foreign code are not possible
 */
export function execute({ path, words, environment, signals }: Execution): string {
  const c = openLibc({
    signal: { args: ["int", "u64"], returns: "u64" },
    sigaction: { args: ["int", "ptr", "ptr"], returns: "int" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "int" },
    __errno_location: { args: [], returns: "ptr" },
  });
  const before: [number, Uint8Array][] = [];
  const set = (signal: number, to: bigint): void => {
    const action = new Uint8Array(ACTION_BYTES);
    c.sigaction(signal, null, action);
    before.push([signal, action]);
    c.signal(signal, to);
  };
  for (const signal of signals.byDefault) set(signal, SIG_DFL);
  for (const signal of signals.ignored) set(signal, SIG_IGN);
  const [program, wordTable, variables] = [toText(path), tableOf(words), tableOf(environment)];
  c.execve(program, wordTable, variables);
  const at = c.__errno_location();
  const errno = at === null ? 0 : read.i32(at, 0);
  for (const [signal, action] of before) c.sigaction(signal, action, null);
  return getSystemErrorMessage(-errno);
}

/** A table of texts as C has it, ended by null. The texts live on in whoever calls. */
function tableOf(texts: readonly Uint8Array[]): BigUint64Array {
  const addresses: Pointer[] = texts.map((bytes) => ptr(bytes));
  return new BigUint64Array([...addresses.map(BigInt), 0n]);
}
