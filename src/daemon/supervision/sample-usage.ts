/** What services use, looked at now and then: for limits that the system does not keep, and for those who look. */
import type { Clock } from "../../base/ports/clock.ts";
import type { UsageSource } from "../../base/ports/process-table.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { TreeUsage } from "../../fleet/supervisor/service-view.ts";
import { sumTrees, type UsageLook, usageOf } from "../../fleet/supervisor/sum-usage.ts";

/** So many looks back a trend goes: with the usual pace two minutes. */
const TREND_MAX = 60;

/** What is known of one run. */
export interface RunUsage {
  readonly usage: TreeUsage | null;
  readonly cpuTrend: readonly number[];
  readonly memoryTrend: readonly number[];
}

const NOTHING: RunUsage = { usage: null, cpuTrend: [], memoryTrend: [] };

/** See the head of this file. */
export class ServiceUsage {
  readonly #source: UsageSource;
  readonly #clock: Clock;
  #look: UsageLook | null = null;
  /** The look that the trends go up to: those in between are for whoever watches. */
  #paced: UsageLook | null = null;
  #runs = new Map<string, RunUsage>();
  #underWay: Promise<void> | null = null;

  constructor(source: UsageSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The last look's answer for a run. */
  of(run: string | undefined): RunUsage {
    return (run === undefined ? undefined : this.#runs.get(run)) ?? NOTHING;
  }

  /** Looks once at all processes; each of these is a point of the trends. */
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
    const trees = instances.flatMap(({ tree }) => (tree === null ? [] : [tree]));
    if (trees.length === 0) {
      this.#look = null;
      this.#paced = null;
      this.#runs.clear();
      return;
    }
    const look = sumTrees(await this.#source.list(), trees, this.#clock.monotonicMs());
    const runs = new Map<string, RunUsage>();
    for (const { run } of trees) {
      const before = this.of(run);
      const usage = usageOf(run, look, this.#look);
      const paced = isPaced ? usageOf(run, look, this.#paced) : null;
      runs.set(run, {
        usage,
        cpuTrend: grown(before.cpuTrend, paced?.cpus ?? null),
        memoryTrend: grown(before.memoryTrend, paced?.residentBytes ?? null),
      });
    }
    this.#look = look;
    if (isPaced) this.#paced = look;
    this.#runs = runs;
  }

  close(): void {
    this.#source.close();
  }
}

/** Who watches sees a new picture this often; a little less than a second, so that a call each second always has one. */
const FRESH_MS = 900;

const grown = (trend: readonly number[], value: number | null): readonly number[] =>
  value === null ? trend : [...trend.slice(1 - TREND_MAX), value];
