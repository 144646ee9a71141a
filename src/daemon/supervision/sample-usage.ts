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
  #runs = new Map<string, RunUsage>();

  constructor(source: UsageSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The last look's answer for a run. */
  of(run: string | undefined): RunUsage {
    return (run === undefined ? undefined : this.#runs.get(run)) ?? NOTHING;
  }

  /** Looks once at all processes. */
  async look(instances: readonly Instance[]): Promise<void> {
    const trees = instances.flatMap(({ tree }) => (tree === null ? [] : [tree]));
    if (trees.length === 0) {
      this.#look = null;
      this.#runs.clear();
      return;
    }
    const look = sumTrees(await this.#source.list(), trees, this.#clock.monotonicMs());
    const runs = new Map<string, RunUsage>();
    for (const { run } of trees) {
      const usage = usageOf(run, look, this.#look);
      const before = this.of(run);
      runs.set(run, {
        usage,
        cpuTrend: grown(before.cpuTrend, usage?.cpus ?? null),
        memoryTrend: grown(before.memoryTrend, usage?.residentBytes ?? null),
      });
    }
    this.#look = look;
    this.#runs = runs;
  }

  close(): void {
    this.#source.close();
  }
}

const grown = (trend: readonly number[], value: number | null): readonly number[] =>
  value === null ? trend : [...trend.slice(1 - TREND_MAX), value];
