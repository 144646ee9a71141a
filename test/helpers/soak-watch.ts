/**
 * Looks at a soak every few seconds and notes what must not be: zombies and processes that stay, two runs of one
 * instance. What is seen once may be on its way; only what is still there some looks later is a fault.
 */
import { appendFileSync } from "node:fs";
import { percentile } from "./figures.ts";
import type { ListedService, ServiceFleet } from "./service-fleet.ts";
import { lookAtProcesses, type ServiceProcess, usageOf } from "./service-processes.ts";

/** What was seen of a daemon at one moment. */
interface Sample {
  readonly ageMs: number;
  readonly residentKb: number;
  readonly descriptors: number;
}

/** One daemon from its start to its end. */
export interface DaemonLife {
  readonly pid: number;
  readonly startedMs: number;
  readonly samples: Sample[];
}

/** Looks in a row after which something is there to stay; replacing a service takes two runs for a while. */
const STAYS_LOOKS = 4;
const REPLACED_LOOKS = 15;

const STILL = new Set(["stopped", "completed", "failed", "backoff", "crash-loop"]);

/** See the head of this file. */
export class SoakWatch {
  readonly lives: DaemonLife[] = [];
  /** What must not be, in words; each once. */
  readonly faults: string[] = [];
  looks = 0;
  /** Services that were stopped by a person, who was told so. */
  readonly still = new Set<string>();
  readonly #fleet: ServiceFleet;
  readonly #file: string | undefined;
  #suspects = new Map<string, number>();

  /** `file`: where every sample is noted, for whoever does not want to wait for the end. */
  constructor(fleet: ServiceFleet, file?: string) {
    this.#fleet = fleet;
    this.#file = file;
  }

  /** A daemon was started. */
  begin(pid: number): void {
    this.lives.push({ pid, startedMs: performance.now(), samples: [] });
  }

  /** One look. `services`: what the daemon lists; null while there is none. */
  look(services: readonly ListedService[] | null): void {
    this.looks += 1;
    const life = this.lives.at(-1);
    const usage = life === undefined ? null : usageOf(life.pid);
    if (life !== undefined && usage !== null) {
      life.samples.push({ ageMs: performance.now() - life.startedMs, ...usage });
      this.#write(`${Date.now()},${life.pid},${usage.residentKb},${usage.descriptors}`);
    }
    const all = lookAtProcesses();
    const ours = new Map(this.#fleet.processes().map((one) => [one.pid, one]));
    const seen = new Map<string, number>();
    // One that was halted collects nobody, whoever it is.
    const awake = [...ours.values()].filter(({ state }) => state !== "T").map(({ pid }) => pid);
    for (const one of zombiesOf(all, new Set([...awake, life?.pid ?? 0]))) {
      seen.set(`zombie ${one.pid} of ${one.parent} (start ${one.start})`, STAYS_LOOKS);
    }
    for (const fault of twofold([...ours.values()])) {
      seen.set(fault, fault.includes("swaps") ? REPLACED_LOOKS : STAYS_LOOKS);
    }
    if (services !== null) {
      for (const one of leftOf([...ours.values()], services, this.still)) {
        seen.set(`left of ${one.service}: ${one.pid} (start ${one.start}) ${one.words}`, STAYS_LOOKS);
      }
    }
    this.#judge(seen);
  }

  fault(text: string): void {
    this.faults.push(text);
    this.#write(`FAULT ${text}`);
  }

  #judge(seen: ReadonlyMap<string, number>): void {
    const suspects = new Map<string, number>();
    for (const [what, looks] of seen) {
      const count = (this.#suspects.get(what) ?? 0) + 1;
      suspects.set(what, count);
      if (count === looks) this.fault(`${what} after ${looks} looks`);
    }
    this.#suspects = suspects;
  }

  #write(line: string): void {
    if (this.#file !== undefined) appendFileSync(this.#file, `${line}\n`);
  }
}

/** Medians of the second and the last quarter of a life, for what should not grow in between. */
export function growthOf({ samples }: DaemonLife): {
  readonly residentKb: readonly [number, number];
  readonly descriptors: readonly [number, number];
} {
  const quarter = (index: number): Sample[] =>
    samples.slice(Math.floor((samples.length * index) / 4), Math.floor((samples.length * (index + 1)) / 4));
  const medians = (of: (one: Sample) => number): [number, number] => [
    percentile(quarter(1).map(of), 0.5),
    percentile(quarter(3).map(of), 0.5),
  ];
  return { residentKb: medians((one) => one.residentKb), descriptors: medians((one) => one.descriptors) };
}

const zombiesOf = (all: readonly ServiceProcess[], parents: ReadonlySet<number>): readonly ServiceProcess[] =>
  all.filter(({ state, parent }) => state === "Z" && parents.has(parent));

/** Instances of which two runs live, and two of what `forgets` leaves behind without any environment. */
function twofold(ours: readonly ServiceProcess[]): string[] {
  const runs = new Map<string, Set<string>>();
  for (const { service, instance, run } of ours) {
    if (run === "") continue;
    const name = `${service}:${instance}`;
    runs.set(name, (runs.get(name) ?? new Set()).add(run));
  }
  const faults = [...runs].flatMap(([name, { size }]) => (size > 1 ? [`${size} runs of ${name}`] : []));
  const forgotten = ours.filter(({ run, words }) => run === "" && words.includes("/forgotten"));
  return forgotten.length > 1 ? [...faults, `${forgotten.length} processes that forgets left`] : faults;
}

/** Processes of instances that do not run, and of services that somebody stopped. */
function leftOf(
  ours: readonly ServiceProcess[],
  services: readonly ListedService[],
  still: ReadonlySet<string>,
): readonly ServiceProcess[] {
  const known = new Map(services.map((one) => [one.name, one]));
  return ours.filter(({ service, instance, words, run }) => {
    const name = run === "" && words.includes("/forgotten") ? "forgets" : service;
    if (name === "") return false;
    const listed = known.get(name) ?? known.get(`${name}:${instance}`);
    return listed === undefined || STILL.has(listed.state) || still.has(name);
  });
}
