/** What services use, looked at now and then: for limits that the system does not keep, and for those who look. */
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessHost, ProcessTree } from "../../base/ports/process-host.ts";
import type { ProcessRow, UsageSource } from "../../base/ports/process-table.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { TreeUsage } from "../../fleet/supervisor/service-view.ts";
import {
  membersOf,
  runIn,
  sumTrees,
  type UsageLook,
  usageOf,
  usedMs,
} from "../../fleet/supervisor/sum-usage.ts";
import { StrayProcesses } from "./stray-processes.ts";

/** So many looks back a trend goes: with the usual pace two minutes. */
const TREND_MAX = 60;

/** What is known of one run. */
export interface RunUsage {
  readonly usage: TreeUsage | null;
  readonly cpuTrend: readonly number[];
  readonly memoryTrend: readonly number[];
}

/** The same as it grows: a look each second at hundreds of runs is to leave nothing behind. */
interface GrowingUsage {
  usage: TreeUsage | null;
  readonly cpuTrend: number[];
  readonly memoryTrend: number[];
}

const NOTHING: RunUsage = { usage: null, cpuTrend: [], memoryTrend: [] };

/** See the head of this file. */
export class ServiceUsage {
  readonly #source: UsageSource;
  readonly #clock: Clock;
  #look: UsageLook | null = null;
  /** When all processes were looked at. */
  #allAtMonoMs = Number.NEGATIVE_INFINITY;
  /** The look that the trends go up to: those in between are for whoever watches. */
  #paced: UsageLook | null = null;
  readonly #runs = new Map<string, GrowingUsage>();
  /** Processor time over all looks, by instance: a sum that never falls, whoever of it ends. */
  readonly #cpuMs = new Map<string, number>();
  readonly #strays: StrayProcesses;
  #underWay: Promise<void> | null = null;

  constructor(source: UsageSource, clock: Clock, host: Pick<ProcessHost, "whose">) {
    this.#source = source;
    this.#clock = clock;
    this.#strays = new StrayProcesses(host);
  }

  /** The last look's answer for a run. */
  of(run: string | undefined): RunUsage {
    const known = run === undefined ? undefined : this.#runs.get(run);
    if (known === undefined) return NOTHING;
    return { usage: known.usage, cpuTrend: [...known.cpuTrend], memoryTrend: [...known.memoryTrend] };
  }

  /** The last look's answer without trends. */
  lastOf(run: string | undefined): TreeUsage | null {
    return (run === undefined ? undefined : this.#runs.get(run)?.usage) ?? null;
  }

  /** Looks once; each of these is a point of the trends. */
  async look(instances: readonly Instance[]): Promise<void> {
    // One at a time; whoever began the other one is told what went wrong with it.
    while (this.#underWay !== null) await this.#underWay.catch(() => undefined);
    await this.#begin(instances, true);
  }

  /** Looks once if what is known is older than a second: however many ask, and while nobody asks not at all. */
  async refresh(instances: readonly Instance[]): Promise<void> {
    const agoMs = this.#clock.monotonicMs() - (this.#look?.atMonoMs ?? Number.NEGATIVE_INFINITY);
    if (this.#underWay === null && agoMs < FRESH_MS) return;
    await (this.#underWay ?? this.#begin(instances, false));
  }

  async #begin(instances: readonly Instance[], isPaced: boolean): Promise<void> {
    const underWay = this.#lookNow(instances, isPaced);
    this.#underWay = underWay;
    try {
      await underWay;
    } finally {
      if (this.#underWay === underWay) this.#underWay = null;
    }
  }

  async #lookNow(instances: readonly Instance[], isPaced: boolean): Promise<void> {
    this.#forgetOthers(instances);
    const running = instances.flatMap(({ key, tree }) =>
      tree === null ? [] : [{ tree, name: cpuKey(key) }],
    );
    if (running.length === 0) {
      this.#look = null;
      this.#paced = null;
      this.#runs.clear();
      return;
    }
    const trees = running.map(({ tree }) => tree);
    const rows = await this.#rowsFor(trees);
    const runs = new Set(trees.map(({ run }) => run));
    const look = sumTrees(rows, trees, this.#clock.monotonicMs(), (row) => {
      const run = runIn(this.#look, row);
      return run !== null && runs.has(run) ? run : this.#strays.runOf(row, runs);
    });
    for (const { tree, name } of running) {
      this.#cpuMs.set(name, (this.#cpuMs.get(name) ?? 0) + usedMs(tree.run, look, this.#look));
    }
    for (const { tree, name } of running)
      this.#note(tree.run, { look, isPaced, cpuMs: this.#cpuMs.get(name) ?? 0 });
    for (const run of this.#runs.keys()) if (!look.sums.has(run)) this.#runs.delete(run);
    this.#look = look;
    if (isPaced) this.#paced = look;
  }

  #note(
    run: string,
    now: { readonly look: UsageLook; readonly isPaced: boolean; readonly cpuMs: number },
  ): void {
    const { look, isPaced, cpuMs } = now;
    const known = this.#runs.get(run) ?? { usage: null, cpuTrend: [], memoryTrend: [] };
    const usage = usageOf(run, look, this.#look);
    known.usage = usage === null ? null : { ...usage, cpuMs };
    this.#runs.set(run, known);
    const paced = isPaced ? usageOf(run, look, this.#paced) : null;
    grow(known.cpuTrend, paced?.cpus ?? null);
    grow(known.memoryTrend, paced?.residentBytes ?? null);
  }

  /** Sums of instances that are no more. */
  #forgetOthers(instances: readonly Instance[]): void {
    if (this.#cpuMs.size === 0) return;
    const names = new Set(instances.map(({ key }) => cpuKey(key)));
    for (const name of this.#cpuMs.keys()) if (!names.has(name)) this.#cpuMs.delete(name);
  }

  /** What is known of each tree and what is new on this machine is enough, while all trees are known. */
  async #rowsFor(trees: readonly ProcessTree[]): Promise<readonly ProcessRow[]> {
    const nowMs = this.#clock.monotonicMs();
    const look = this.#look;
    const isKnown = look !== null && trees.every(({ run }) => look.sums.has(run));
    if (isKnown && nowMs - this.#allAtMonoMs < ALL_MS) return await this.#source.follow(membersOf(look));
    this.#allAtMonoMs = nowMs;
    const rows = await this.#source.list();
    this.#strays.keepOnly(rows);
    return rows;
  }

  close(): void {
    this.#source.close();
  }
}

/** Who watches sees a new picture this often; a little less than a second, so that a call each second always has one. */
const FRESH_MS = 900;

/** An id that was given away again between two looks is not seen to be new, so all are looked at now and then. */
const ALL_MS = 30_000;

/** One that follows another without a gap goes on with its sum. */
const cpuKey = ({ service, number }: Instance["key"]): string => `${service}:${number}`;

function grow(trend: number[], value: number | null): void {
  if (value === null) return;
  if (trend.length >= TREND_MAX) trend.shift();
  trend.push(value);
}
