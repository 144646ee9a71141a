import { join } from "node:path";

/** A program under test that was started, with what it says. */
export interface Program {
  readonly pid: number;
  /** The next line of its stdout. @throws when it ends before */
  line(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Ends its stdin. */
  endInput(): void;
  /** Its exit code (null: a signal's), signal, and the rest of its stdout and stderr. */
  ended(): Promise<{
    code: number | null;
    signal: NodeJS.Signals | number | null;
    stdout: string;
    stderr: string;
  }>;
}

const FIXTURES = join(import.meta.dir, "fixtures");

/** The words that run a fixture of `test/helpers/fixtures`. */
export const fixtureWords = (name: string, ...words: readonly string[]): string[] => [
  process.execPath,
  join(FIXTURES, `${name}.ts`),
  ...words,
];

/** Programs that are ended with their test. */
export class Programs {
  readonly #running: Bun.Subprocess[] = [];
  /** Ids of processes that are nobody's child any more. */
  readonly #detached: number[] = [];

  start(
    words: readonly string[],
    options: { env?: Record<string, string | undefined>; cwd?: string; fds?: readonly number[] } = {},
  ): Program {
    const { fds = [], ...rest } = options;
    const child = Bun.spawn([...words], { ...rest, stdio: ["pipe", "pipe", "pipe", ...fds] });
    this.#running.push(child);
    const reader = child.stdout.getReader();
    const stderr = new Response(child.stderr).text();
    let text = "";
    const readMore = async (): Promise<boolean> => {
      const { value, done } = await reader.read();
      text += new TextDecoder().decode(value);
      return !done;
    };
    return {
      pid: child.pid,
      kill: (signal) => child.kill(signal),
      endInput: () => void child.stdin.end(),
      line: async () => {
        while (!text.includes("\n")) {
          if (!(await readMore())) throw new Error(`No line of ${words.join(" ")}: ${text}${await stderr}`);
        }
        const [line = ""] = text.split("\n");
        text = text.slice(line.length + 1);
        return line;
      },
      ended: async () => {
        while (await readMore());
        const code = await child.exited;
        return {
          code: child.signalCode === null ? code : null,
          signal: child.signalCode,
          stdout: text,
          stderr: await stderr,
        };
      },
    };
  }

  /** Notes a process to be ended that a program left behind. */
  note(pid: number): number {
    this.#detached.push(pid);
    return pid;
  }

  /** Ends whatever is left. */
  async end(): Promise<void> {
    for (const pid of this.#detached.splice(0)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It is gone, as it should be.
      }
    }
    for (const child of this.#running.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }
}
