/** A process as `ps` shows it. */
export interface PosixProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly isZombie: boolean;
  /** Seconds, in words: as fine as `ps` has it. */
  readonly start: string;
  /** The value of the variable that was asked for; null where there is none, or it may not be seen. */
  readonly run: string | null;
}

/**
 * All processes, with the value of one variable of their environments. It waits for `ps` (some 20 ms): who asks about a tree
 * wants to know how it is now.
 */
export function readPosixProcesses(variable: string): PosixProcess[] {
  const withEnvironment = process.platform === "darwin" ? ["-Eaxww"] : ["axeww"];
  const { stdout } = Bun.spawnSync(
    ["ps", ...withEnvironment, "-o", "pid=,ppid=,pgid=,stat=,lstart=,command="],
    {
      env: { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
    },
  );
  return stdout
    .toString()
    .split("\n")
    .flatMap((line) => parseLine(line, variable));
}

function parseLine(line: string, variable: string): PosixProcess[] {
  const match = /^ *(\d+) +(\d+) +(\d+) +(\S+) +(\S+ +\S+ +\d+ +[\d:]+ +\d+) (.*)$/.exec(line);
  if (match === null) return [];
  const [, pid, parent, group, state = "", start = "", rest = ""] = match;
  // Last, since words of the command may look like it, and the environment comes behind them.
  const run = rest.split(" ").findLast((word) => word.startsWith(`${variable}=`));
  return [
    {
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      isZombie: state.startsWith("Z"),
      start,
      run: run?.slice(variable.length + 1) ?? null,
    },
  ];
}
