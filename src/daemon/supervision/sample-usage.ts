/** What services use, looked at now and then: for limits that the system does not keep, and for those who look. */
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessTree } from "../../base/ports/process-host.ts";
import type { ProcessRow, UsageSource } from "../../base/ports/process-table.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { TreeUsage } from "../../fleet/supervisor/service-view.ts";
import { membersOf, sumTrees, type UsageLook, usageOf } from "../../fleet/supervisor/sum-usage.ts";

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
  #underWay: Promise<void> | null = null;

  constructor(source: UsageSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
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
    const trees = instances.flatMap(({ tree }) => (tree === null ? [] : [tree]));
    if (trees.length === 0) {
      this.#look = null;
      this.#paced = null;
      this.#runs.clear();
      return;
    }
    const look = sumTrees(await this.#rowsFor(trees), trees, this.#clock.monotonicMs());
    for (const { run } of trees) this.#note(run, look, isPaced);
    for (const run of this.#runs.keys()) if (!look.sums.has(run)) this.#runs.delete(run);
    this.#look = look;
    if (isPaced) this.#paced = look;
  }

  #note(run: string, look: UsageLook, isPaced: boolean): void {
    const known = this.#runs.get(run) ?? { usage: null, cpuTrend: [], memoryTrend: [] };
    known.usage = usageOf(run, look, this.#look);
    this.#runs.set(run, known);
    const paced = isPaced ? usageOf(run, look, this.#paced) : null;
    grow(known.cpuTrend, paced?.cpus ?? null);
    grow(known.memoryTrend, paced?.residentBytes ?? null);
  }

  /** What is known of each tree and what is new on this machine is enough, while all trees are known. */
  async #rowsFor(trees: readonly ProcessTree[]): Promise<readonly ProcessRow[]> {
    const nowMs = this.#clock.monotonicMs();
    const look = this.#look;
    const isKnown = look !== null && trees.every(({ run }) => look.sums.has(run));
    if (isKnown && nowMs - this.#allAtMonoMs < ALL_MS) return await this.#source.follow(membersOf(look));
    this.#allAtMonoMs = nowMs;
    return await this.#source.list();
  }

  close(): void {
    this.#source.close();
  }
}

/** Who watches sees a new picture this often; a little less than a second, so that a call each second always has one. */
const FRESH_MS = 900;

/** An id that was given away again between two looks is not seen to be new, so all are looked at now and then. */
const ALL_MS = 30_000;

function grow(trend: number[], value: number | null): void {
  if (value === null) return;
  if (trend.length >= TREND_MAX) trend.shift();
  trend.push(value);
}
