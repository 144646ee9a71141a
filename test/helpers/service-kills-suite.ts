/** Services under log load whose daemon is killed again and again, for the gate and for the long suite. */
import { expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Figures, percentile } from "./figures.ts";
import { findFault, numbersIn } from "./numbered-lines.ts";
import { type ListedService, ServiceFleet } from "./service-fleet.ts";
import { lookAtProcesses } from "./service-processes.ts";
import { eventually, untilHolds } from "./temp-git.ts";

/** How many, how often. */
export interface ServiceKills {
  readonly services: number;
  readonly kills: number;
  readonly linesPerSecond: number;
  readonly random: () => number;
  readonly timeoutMs: number;
}

const PATIENCE_MS = 60_000;
/** A daemon lives so long at most before it is killed again: many die while they begin. */
const LIFE_MS_MAX = 1_500;

/** Defines the test. Linux only: it looks into /proc. */
export function defineServiceKills(options: ServiceKills): void {
  const { services, kills, linesPerSecond, timeoutMs } = options;
  test(
    `${kills} times kill -9 of a daemon with ${services} services that write ${linesPerSecond} lines a second each`,
    async () => {
      const fleet = new ServiceFleet();
      try {
        await playKills(fleet, options);
      } finally {
        await fleet.close();
      }
    },
    timeoutMs,
  );
}

async function playKills(fleet: ServiceFleet, options: ServiceKills): Promise<void> {
  const names = Array.from({ length: options.services }, (_, index) => `s${index}`);
  const [coded = "", broken = "", unseen = "", ...others] = names;
  await begin(fleet, names, options.linesPerSecond);
  const before = await pidsOf(fleet);
  const adoptedMs: number[] = [];
  for (let kill = 0; kill < options.kills; kill += 1) {
    await Bun.sleep(LIFE_MS_MAX * options.random());
    await fleet.killMonitor();
    if (kill === options.kills - 1) await endUnseen(fleet, unseen);
    const startedMs = performance.now();
    await fleet.monitor();
    adoptedMs.push(performance.now() - startedMs);
    const isLast = kill === options.kills - 1;
    const alive = names.filter((name) => !isLast || name !== unseen);
    const now = await pidsOf(fleet);
    if (isLast) now.delete(unseen);
    expect(now).toEqual(new Map(alive.map((name) => [name, before.get(name) ?? null])));
    const told = (): number => fleet.running.stdout().match(/ runs on, pid /g)?.length ?? 0;
    expect(await eventually(() => told() >= alive.length, PATIENCE_MS)).toBe(true);
  }

  endWith(fleet, coded, "37");
  endWith(fleet, broken, "SIGSEGV");
  for (const name of others) endWith(fleet, name, "0");
  const listed = new Map(
    (await fleet.until("all have ended", (all) => all.every(({ pid }) => pid === null))).map((one) => [
      one.name,
      one,
    ]),
  );
  expect(endOf(listed.get(coded))).toEqual(["failed", "code", "exit code 37"]);
  expect(endOf(listed.get(broken))).toEqual(["failed", "signal", "ended by SIGSEGV"]);
  // The kernel tells as long as nobody has collected what is left of it: then it is known here, too.
  expect(["exit code 5", "ended while no monitor ran, exit code unknown"]).toContain(
    String(listed.get(unseen)?.last_end?.text),
  );
  expect(listed.get(unseen)?.state).toBe("failed");
  for (const name of others) expect(endOf(listed.get(name))).toEqual(["completed", "code", "exit code 0"]);

  // Whether one was started twice, each noted itself.
  expect(names.map((name) => fleet.startsOf(name).length)).toEqual(names.map(() => 1));
  const lines = await judgeLogs(fleet, names);
  tell(options, lines, adoptedMs);
}

async function begin(fleet: ServiceFleet, names: readonly string[], linesPerSecond: number): Promise<void> {
  await fleet.init();
  fleet.configure(
    Object.fromEntries(
      names.map((name) => [
        name,
        {
          command: fleet.noted(name, "counts.ts", join(fleet.folder, name), String(linesPerSecond)),
          restart: "no",
        },
      ]),
    ),
  );
  await fleet.monitor();
  await fleet.until("all run", (all) => all.length === names.length && all.every(({ ready }) => ready));
}

/** Has one end while no daemon is there, so that nobody is told how. */
async function endUnseen(fleet: ServiceFleet, name: string): Promise<void> {
  const [start] = fleet.startsOf(name);
  endWith(fleet, name, "5");
  const isGone = (): boolean =>
    !lookAtProcesses().some(({ pid, state }) => pid === start?.pid && state !== "Z");
  expect(await eventually(isGone, PATIENCE_MS)).toBe(true);
}

/** Tells a service to end, and how; it reads the file as soon as it is there. */
function endWith(fleet: ServiceFleet, name: string, how: string): void {
  const file = join(fleet.folder, name);
  writeFileSync(`${file}.new`, how);
  renameSync(`${file}.new`, `${file}.end`);
}

/** What runs, by name. */
async function pidsOf(fleet: ServiceFleet): Promise<Map<string, number | null>> {
  const all = await fleet.list();
  return new Map(all.filter(({ state }) => state === "running").map(({ name, pid }) => [name, pid]));
}

const endOf = (one: ListedService | undefined): unknown[] => [
  one?.state,
  one?.last_end?.reason,
  one?.last_end?.text,
];

/** No line is lost or there twice. Answers how many there are. */
async function judgeLogs(fleet: ServiceFleet, names: readonly string[]): Promise<number> {
  let sum = 0;
  for (const name of names) {
    const count = Number(await Bun.file(join(fleet.folder, `${name}.count`)).text());
    // What was written last may be on its way from the spool to the log.
    let fault: string | null = null;
    await untilHolds(() => {
      fault = findFault(numbersIn(fleet.folderOf(name)), count);
      return Promise.resolve(fault === null);
    }, PATIENCE_MS).catch((thrown: unknown) => {
      throw new Error(`${name}: ${fault}`, { cause: thrown });
    });
    sum += count;
  }
  return sum;
}

function tell({ kills, services }: ServiceKills, lines: number, adoptedMs: readonly number[]): void {
  const figures = new Figures(`kill -9 of a daemon with ${services} services, ${kills} times`);
  figures.add("processes adopted, with the ids they had", kills * services - 1);
  figures.add("started twice", 0);
  figures.add("lines in the logs, lost, doubled", `${lines}, 0, 0`);
  figures.add(
    "from the start of the next daemon until it answers for them",
    `${percentile(adoptedMs, 0.5).toFixed(0)} ms (median), ${percentile(adoptedMs, 1).toFixed(0)} ms at most`,
  );
  figures.print();
}
