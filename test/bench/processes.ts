import pidusage from "pidusage";
import type { ProcessRow } from "../../src/base/ports/process-table.ts";
import { findListeners } from "../../src/daemon/find-listeners.ts";
import { sumTrees, type UsageLook, usageOf } from "../../src/fleet/supervisor/sum-usage.ts";
import { openUsageSource } from "../../src/platform/processes/process-table.ts";
import { StatFiles } from "../../src/platform/processes/stat-files.ts";
import type { Bench, Context } from "./context.ts";
import { interleave, timed, timeProgram } from "./measure.ts";
import { type Row, ratioRow } from "./row.ts";

const HOLDERS = 20;
const PORTS_EACH = 10;
const SLEEPERS = 280;
const WATCHED = 200;

const HOLDER = `
  const open = () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } }).port;
  console.log(Array.from({ length: ${PORTS_EACH} }, open).join(" "));
  setInterval(() => {}, 60_000);`;

/** From a port to who listens on it, and what many processes use, between 300 processes and 200 listeners of its own. */
export const processes: Bench = {
  name: "processes",
  async run(context) {
    const missing = ["lsof", "ss"].filter((name) => Bun.which(name) === null);
    if (process.platform !== "linux" || missing.length > 0) {
      console.log(`skipped: processes: ${missing.join(" and ") || "Linux"} is not there to compare with`);
      return [];
    }
    const crowd = await startCrowd();
    try {
      return [...(await portRows(context, crowd.port)), ...(await usageRows(context, crowd.pids))];
    } finally {
      for (const child of crowd.children) child.kill("SIGKILL");
      await Promise.all(crowd.children.map((child) => child.exited));
    }
  },
};

interface Crowd {
  readonly children: readonly Bun.Subprocess[];
  readonly pids: readonly number[];
  /** One of the ports, of a process in the middle. */
  readonly port: number;
}

async function startCrowd(): Promise<Crowd> {
  const sleepers = Array.from({ length: SLEEPERS }, () =>
    Bun.spawn(["sleep", "3600"], { stdio: ["ignore", "ignore", "ignore"] }),
  );
  const holders = Array.from({ length: HOLDERS }, () =>
    Bun.spawn([process.execPath, "-e", HOLDER], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const lines = await Promise.all(
    holders.map(async (holder) => new TextDecoder().decode((await holder.stdout.getReader().read()).value)),
  );
  const ports = lines.flatMap((line) => line.trim().split(" ").map(Number));
  const children = [...holders, ...sleepers];
  return {
    children,
    pids: children.map(({ pid }) => pid).slice(0, WATCHED),
    port: ports[ports.length / 2] ?? 0,
  };
}

async function portRows({ fleetd, temp, runs }: Context, port: number): Promise<Row[]> {
  const environment = { HOME: temp.home, PATH: process.env["PATH"] ?? "", FLEETD_HOME: temp.path("none") };
  const start =
    (...words: string[]) =>
    (): number =>
      timeProgram(words, { environment, folder: temp.folder });
  const values = await interleave(runs(40), {
    lsof: start("lsof", "-i", `:${port}`, "-t"),
    ss: start("ss", "-ltnp"),
    command: start(fleetd, "port", String(port), "--json"),
    inProcess: () => timed(() => findListeners(port)),
  });
  const lsof = { what: "lsof -i :PORT -t", values: values.lsof };
  const ss = { what: "ss -ltnp", values: values.ss };
  const row = (name: string, what: string, limit: number | null) => ({
    name: `processes.${name}`,
    what,
    limit,
  });
  return [
    ratioRow(row("port.lsof", "port to pid, in process", 0.5), values.inProcess, lsof),
    ratioRow(row("port.ss", "port to pid, in process", 1), values.inProcess, ss),
    ratioRow(row("command.lsof", "fleetd port PORT --json", 0.5), values.command, lsof),
    // Only told: a third of it is the start of the program.
    ratioRow(row("command.ss", "fleetd port PORT --json", null), values.command, ss),
  ];
}

async function usageRows({ runs }: Context, pids: readonly number[]): Promise<Row[]> {
  const [some, all, awake] = [await openUsageSource(), await openUsageSource(), new StatFiles(null)];
  await all.list();
  const trees = pids.map((pid) => ({ identity: { pid, start: "" }, run: String(pid), cgroup: null }));
  const lookAt = (rows: () => Promise<readonly ProcessRow[]>): (() => Promise<void>) => {
    let last: UsageLook | null = null;
    return async () => {
      const look = sumTrees(await rows(), trees, performance.now());
      for (const { run } of trees) {
        if (usageOf(run, look, last) === null) throw new Error(`Process ${run} has ended`);
      }
      last = look;
    };
  };
  const lookAtSome = lookAt(() => some.pick(pids));
  // As if each had run between two looks.
  const lookAtAwake = lookAt(() => awake.pick(pids));
  const lookAtAll = lookAt(() => all.follow(pids));
  const values = await interleave(runs(40), {
    own: () => timed(lookAtSome),
    awake: () => timed(lookAtAwake),
    all: () => timed(lookAtAll),
    pidusage: () => timed(() => pidusage(pids)),
  });
  for (const source of [some, all, awake]) source.close();
  const against = { what: "pidusage, warm", values: values.pidusage };
  const row = (name: string, what: string, limit: number | null) => ({
    name: `processes.${name}`,
    what,
    limit,
  });
  return [
    ratioRow(row("usage", `processor and memory of ${pids.length}`, 0.5), values.own, against),
    ratioRow(row("usage.awake", "the same, had all of them run since", 0.5), values.awake, against),
    ratioRow(row("usage.all", "the same, and whoever is new on the machine", null), values.all, against),
  ];
}
