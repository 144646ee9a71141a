import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processesWith } from "../helpers/temp-git.ts";
import type { Bench, Context } from "./context.ts";
import { interleave, timeProgram } from "./measure.ts";
import { type Row, ratioRow } from "./row.ts";
import { makeServer, startDaemon } from "./servers.ts";
import { canSeeUsage, usageOf } from "./usage.ts";

const SERVICES = 200;
/** Exactly this one, so that figures of different days are about the same program. */
const OTHER = "pm2@7.0.4";
const WATCHED_S = 30;
/** Work that follows a start is no idling. */
const SETTLE_MS = 10_000;
const LISTS = 10;
const STARTS = 3;

/** One of the two that look after processes. */
interface Manager {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly start: readonly string[];
  readonly stop: readonly string[];
  readonly list: readonly string[];
  daemon(): number;
  end(): Promise<void>;
}

/**
 * What it costs to look after 200 processes: the daemon's memory and processor time with a look at all of them every
 * second, and how long starting, stopping and listing takes; fleetd and pm2 with the same processes in one run.
 */
export const services: Bench = {
  name: "services",
  async run(context) {
    if (!context.long || !canSeeUsage("services")) return [];
    const other = await installOther(context);
    if (other === null) return [];
    const managers = [await beginOwn(context), beginOther(context, other)] as const;
    try {
      return await compare(context, ...managers);
    } finally {
      for (const manager of managers) await manager.end();
    }
  },
};

/** Where pm2 is now; null when it cannot be had, which is told. */
async function installOther({ temp }: Context): Promise<string | null> {
  const npm = Bun.which("npm");
  const folder = temp.path("other");
  mkdirSync(folder);
  const words = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", OTHER];
  const child =
    npm === null ? null : Bun.spawn([npm, ...words], { cwd: folder, stdio: ["ignore", "ignore", "ignore"] });
  if ((await child?.exited) === 0) return join(folder, "node_modules/.bin/pm2");
  console.log(`skipped: services: ${OTHER} to compare with cannot be installed`);
  return null;
}

async function beginOwn(context: Context): Promise<Manager> {
  const { fleetd, temp } = context;
  const server = await makeServer(context, "keeper", temp.bare());
  const file = join(server.root, "services.yaml");
  const definition = { command: ["sleep", "3600"], restart: "no" };
  const names = Array.from({ length: SERVICES }, (_, index) => `own${index}`);
  writeFileSync(
    file,
    JSON.stringify({ services: Object.fromEntries(names.map((name) => [name, definition])) }),
  );
  const config = join(server.root, "fleetd.yaml");
  writeFileSync(config, "supervisor: { sample: 1s }\n");
  const environment = { ...server.environment, FLEETD_CONFIG: config };
  const daemon = await startDaemon(context, server, environment);
  return {
    name: "fleetd",
    environment,
    start: [fleetd, "start", file],
    stop: [fleetd, "stop", "--all"],
    list: [fleetd, "list"],
    daemon: () => daemon.pid,
    async end() {
      await run([fleetd, "stop", "--all", "--now"], environment, server.root);
      await daemon.stop();
    },
  };
}

function beginOther({ temp }: Context, pm2: string): Manager {
  const home = temp.path("pm2");
  mkdirSync(home);
  const file = join(home, "services.json");
  const apps = Array.from({ length: SERVICES }, (_, index) => ({
    name: `other${index}`,
    script: Bun.which("sleep") ?? "/bin/sleep",
    args: "3600",
    interpreter: "none",
    autorestart: false,
  }));
  writeFileSync(file, JSON.stringify({ apps }));
  const environment = { HOME: temp.home, PATH: process.env["PATH"] ?? "", PM2_HOME: home };
  return {
    name: "pm2",
    environment,
    start: [pm2, "start", file],
    stop: [pm2, "stop", "all"],
    list: [pm2, "ls"],
    daemon: () => Number(readFileSync(join(home, "pm2.pid"), "utf8")),
    async end() {
      await run([pm2, "kill"], environment, home);
      for (const pid of processesWith(home)) process.kill(pid, "SIGKILL");
    },
  };
}

async function run(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<void> {
  await Bun.spawn([...words], { env, cwd, stdio: ["ignore", "ignore", "ignore"] }).exited;
}

async function compare({ temp, runs }: Context, own: Manager, other: Manager): Promise<Row[]> {
  const time = ({ environment }: Manager, words: readonly string[]): number =>
    timeProgram(words, { environment, folder: temp.folder });
  const side = (manager: Manager, words: readonly string[]) => (): number => time(manager, words);
  const turns = { start: [[], []] as [number[], number[]], stop: [[], []] as [number[], number[]] };
  for (let turn = 0; turn < runs(STARTS); turn += 1) {
    for (const [index, manager] of [own, other].entries()) {
      // A definition that is there already is started by its name.
      const again = manager.name === "fleetd" && turn > 0 ? [manager.start[0] ?? "", "start"] : manager.start;
      turns.start[index]?.push(time(manager, again));
      turns.stop[index]?.push(time(manager, manager.stop));
    }
  }
  for (const manager of [own, other]) {
    time(manager, manager.name === "fleetd" ? [manager.start[0] ?? "", "start"] : manager.start);
  }
  await Bun.sleep(SETTLE_MS);
  const watched = await watch(own, other);
  const lists = await interleave(runs(LISTS), {
    own: side(own, own.list),
    other: side(other, other.list),
  });
  const row = (name: string, what: string, limit: number | null) => ({
    name: `services.${name}`,
    what,
    limit,
  });
  const memory = (name: string, what: string) => ({ ...row(name, what, 1), measuredUnit: "MB" });
  const against = (what: string, values: readonly number[]) => ({ what: `${OTHER}: ${what}`, values });
  const processor = {
    ...row("processor", `processor time in a second (of ${WATCHED_S})`, null),
    note: "fleetd looks at all of them every second, pm2 when it is asked",
  };
  return [
    ratioRow(memory("rss", `daemon of ${SERVICES}, RSS`), watched.own.rss, against("RSS", watched.other.rss)),
    ratioRow(memory("pss", `daemon of ${SERVICES}, PSS`), watched.own.pss, against("PSS", watched.other.pss)),
    ratioRow(processor, watched.own.cpuMs, against("the same", watched.other.cpuMs)),
    ratioRow(row("start", `starting ${SERVICES}`, 1), turns.start[0], against("start", turns.start[1])),
    ratioRow(row("stop", `stopping ${SERVICES}`, 1), turns.stop[0], against("stop all", turns.stop[1])),
    ratioRow(row("list", "fleetd list", 1), lists.own, against("ls", lists.other)),
  ];
}

interface Watched {
  readonly rss: number[];
  readonly pss: number[];
  readonly cpuMs: number[];
}

/** Both daemons side by side, once a second. */
async function watch(own: Manager, other: Manager): Promise<{ own: Watched; other: Watched }> {
  const watched = { own: empty(), other: empty() };
  const pids = { own: own.daemon(), other: other.daemon() };
  const before = { own: usageOf(pids.own).ownMs, other: usageOf(pids.other).ownMs };
  for (let second = 0; second < WATCHED_S; second += 1) {
    await Bun.sleep(1_000);
    for (const key of ["own", "other"] as const) {
      const { rssMb } = usageOf(pids[key]);
      watched[key].rss.push(rssMb);
      watched[key].pss.push(pssMb(pids[key]));
    }
  }
  for (const key of ["own", "other"] as const) {
    watched[key].cpuMs.push((usageOf(pids[key]).ownMs - before[key]) / WATCHED_S);
  }
  return watched;
}

const empty = (): Watched => ({ rss: [], pss: [], cpuMs: [] });

/** Resident memory with shared pages divided among those who share them. */
const pssMb = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1]) / 1024;
