import { closeSync, openSync } from "node:fs";

/** A daemon of this very executable, started in the background. */
export interface Background {
  readonly pid: number;
  /** Ends it with SIGTERM and waits until it is gone. */
  stop(): Promise<void>;
  /** Lets it live on after this process. */
  release(): void;
  /** Its exit code once it ended, null while it runs. */
  exitCode(): number | null;
}

/** The variables of this process. */
export const ownEnvironment = (): Readonly<Record<string, string | undefined>> => process.env;

/** The words that start this program again: the executable, or Bun with the script it runs. */
export function ownCommand(): readonly string[] {
  const script = process.argv[1];
  const isCompiled = Bun.main.startsWith("/$bunfs/") || Bun.main.includes("~BUN");
  return isCompiled || script === undefined ? [process.execPath] : [process.execPath, script];
}

/** How this program was called: its process id, the words after the program, and where. */
export const ownCall = (): { pid: number; argv: readonly string[]; cwd: string } => ({
  pid: process.pid,
  argv: process.argv.slice(2),
  cwd: currentFolder(),
});

/** Empty where it was removed beneath this process. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    return "";
  }
}

/** Starts `fleetd <args>` in a process group of its own, its output in the file `log`. */
export function startInBackground(
  args: readonly string[],
  options: { readonly environment: Readonly<Record<string, string>>; readonly log: string },
): Background {
  const output = openSync(options.log, "a", 0o600);
  const child = Bun.spawn([...ownCommand(), ...args], {
    stdio: ["ignore", output, output],
    env: { ...withoutBun(process.env), ...options.environment },
    detached: true,
  });
  closeSync(output);
  return {
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
    release: () => child.unref(),
    exitCode: () => child.exitCode,
  };
}

/** `BUN_OPTIONS` and the like would turn the child into something else. */
function withoutBun(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith("BUN_"));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
