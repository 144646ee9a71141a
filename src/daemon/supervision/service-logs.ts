/** The logs of all instances: each with the spools that are written to now, and what earlier runs left. */
import { rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Clock } from "../../base/ports/clock.ts";
import type { PumpLimits, ServiceLog } from "../../base/ports/service-log.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { CurrentRun } from "../../fleet/supervisor/instance-model.ts";
import { folderOfKey, type ServiceLogLimits } from "../../fleet/supervisor/model.ts";
import type { InstanceKey } from "../../fleet/supervisor/service-store.ts";
import { makePrivateFolder } from "../../platform/files.ts";
import { folderNames } from "../../platform/paths.ts";
import { openServiceLog } from "../../platform/service-log/service-log.ts";
import { spoolPath, spoolsIn } from "../../platform/service-log/spool-names.ts";

/** What logs are made with. */
export interface ServiceLogsOptions {
  /** The folder of all instances' folders. */
  readonly folder: string;
  readonly clock: Clock;
  readonly instances: () => readonly Instance[];
  /** How much is kept of a log whose service nobody knows any more. */
  readonly standard: () => ServiceLogLimits;
  /** The disk that a log lies on takes nothing, or does again; by instance folder. */
  readonly onTrouble: (folder: string, detail: string) => void;
  readonly onRecovered: (folder: string, lost: number) => void;
}

/** With less free room than this on the disk nothing is written. Chosen: a database needs some to close properly. */
const DISK_FREE_BYTES = 256 * 1024 ** 2;
/** The beginning of a line is shown after this time when its end does not come. */
const PARTIAL_MS = 2_000;
/** So many calls in a row go to one log that has more, before the others have their turn. */
const CALLS_MAX = 4;

/** Old lines are looked for this often in the time that they are kept, and within these bounds. Chosen: it lists folders. */
const EXPIRE_PARTS = 4;
const EXPIRE_MS_MIN = 1_000;
const EXPIRE_MS_MAX = 60_000;

interface Left {
  live: ReadonlySet<string>;
  readonly runs: string;
  readonly spools: Set<string>;
}

/** What an instance was when it was looked at last. */
interface Made {
  readonly instance: Instance;
  readonly key: InstanceKey;
  readonly run: CurrentRun | null;
  readonly isLive: boolean;
}

/** See the head of this file. */
export class ServiceLogs {
  readonly #options: ServiceLogsOptions;
  readonly #logs = new Map<string, ServiceLog>();
  /** Paths, which are asked for at each of four looks a second. */
  readonly #folders = new WeakMap<InstanceKey, string>();
  readonly #spools = new WeakMap<CurrentRun, string>();
  /** Instances by their folder and by the spool of their run: asked for every line, so not looked for among all. */
  readonly #owners = new Map<string, Instance>();
  readonly #writers = new Map<string, Instance>();
  /** The spools of the runs that instances had last, by their folder. */
  readonly #runs = new Map<string, string[]>();
  /** Spools that are read to their end, by folder; `runs` is what ran when the folder was looked at, `live` the same then. */
  readonly #left = new Map<string, Left>();
  /** What the spools of runs under way were made of, and they: four times a second it is mostly the same. */
  #made: readonly Made[] = [];
  #live: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  /** Of those that have an instance, or had one: what a service wrote last is kept as long as the rest. */
  readonly #limits = new Map<string, ServiceLogLimits>();

  constructor(options: ServiceLogsOptions) {
    this.#options = options;
  }

  /** Where a run of an instance writes; its folder is made. */
  spool(key: InstanceKey, run: string): string {
    const folder = this.#folderOf(key);
    makePrivateFolder(folder);
    // Read to its end even when the service is gone before the next look.
    this.#logOf(folder);
    return spoolPath(folder, run);
  }

  /** Reads a bounded piece of what was written. True: more waits. */
  pump(): boolean {
    let isMore = false;
    const live = this.#liveSpools();
    for (const [folder, spools] of live) {
      const log = this.#logOf(folder);
      for (const spool of spools) log.follow(spool);
      if (this.#pumpOne(folder, log, spools)) isMore = true;
    }
    for (const [folder, log] of this.#logs) {
      if (!live.has(folder) && this.#finish(folder, log)) isMore = true;
    }
    return isMore;
  }

  /** What services left that went while no daemon was there. `others`: services that are left alone. */
  takeUp(others: ReadonlySet<string>): void {
    const live = this.#liveSpools();
    for (const folder of this.#foldersThere()) {
      if (!(others.has(serviceOf(folder)) || live.has(folder))) this.#logOf(folder);
    }
  }

  /** Removes what is older than it may be, also of services that are silent or gone. Answers how long to wait, ms. */
  expire(): number {
    const live = this.#liveSpools();
    let keepMs = Number.POSITIVE_INFINITY;
    for (const folder of this.#foldersThere()) {
      const isLeft = !live.has(folder);
      // It is read to its end first, unless it is somebody's whose definition cannot be read.
      if (isLeft && spoolsIn(folder).length > 0) continue;
      this.#logOf(folder).expire();
      if (isLeft && removeEmptyFolder(folder)) this.#limits.delete(folder);
      else keepMs = Math.min(keepMs, this.#limitsOf(folder).keepMs);
    }
    return Math.min(EXPIRE_MS_MAX, Math.max(EXPIRE_MS_MIN, keepMs / EXPIRE_PARTS));
  }

  /** Removes everything of a service that was forgotten, unless there is one of this name again. */
  forget(service: string): void {
    if (this.#options.instances().some(({ key }) => key.service === service)) return;
    for (const folder of this.#foldersThere().filter((path) => serviceOf(path) === service)) {
      this.#letGo(folder);
      this.#limits.delete(folder);
      rmSync(folder, { recursive: true, force: true });
    }
  }

  close(): void {
    for (const log of this.#logs.values()) log.close();
    this.#logs.clear();
  }

  #pumpOne(folder: string, log: ServiceLog, live: ReadonlySet<string>): boolean {
    let isMore = true;
    for (let calls = 0; isMore && calls < CALLS_MAX; calls += 1) isMore = log.pump();
    const left = this.#leftIn(folder, log, live);
    for (const spool of left) if (log.finished(spool)) left.delete(spool);
    return isMore || left.size > 0;
  }

  /** Reads what is left of an instance that is gone, and lets go of its log. True: more waits. */
  #finish(folder: string, log: ServiceLog): boolean {
    for (const spool of log.spools()) if (!log.finished(spool)) return true;
    this.#letGo(folder);
    return false;
  }

  #letGo(folder: string): void {
    this.#logs.get(folder)?.close();
    this.#logs.delete(folder);
    this.#left.delete(folder);
  }

  /** The folders of instances that are there, or were. */
  #foldersThere(): readonly string[] {
    return folderNames(this.#options.folder)
      .filter((name) => !name.startsWith("."))
      .map((name) => join(this.#options.folder, name));
  }

  /** What nobody writes to any more; the folder is looked at only when a run began or ended. */
  #leftIn(folder: string, log: ServiceLog, live: ReadonlySet<string>): Set<string> {
    const known = this.#left.get(folder);
    if (known?.live === live) return known.spools;
    const runs = [...live, ...(this.#runs.get(folder) ?? [])].join();
    if (known?.runs === runs) {
      known.live = live;
      return known.spools;
    }
    const spools = new Set(log.spools().filter((spool) => !live.has(spool)));
    this.#left.set(folder, { live, runs, spools });
    return spools;
  }

  #spoolOf(folder: string, run: CurrentRun): string {
    const known = this.#spools.get(run);
    if (known !== undefined) return known;
    const path = spoolPath(folder, run.run);
    this.#spools.set(run, path);
    return path;
  }

  /** The spools of runs under way, by folder; folders of instances without a run too. */
  #liveSpools(): ReadonlyMap<string, ReadonlySet<string>> {
    const instances = this.#options.instances();
    const isSame =
      this.#made.length === instances.length && instances.every((one, at) => this.#isAsMade(one, at));
    if (!isSame) {
      this.#made = instances.map((instance) => {
        const { key, run } = instance;
        return { instance, key, run, isLive: isLive(instance) };
      });
      this.#live = this.#makeLive();
    }
    return this.#live;
  }

  #isAsMade(instance: Instance, at: number): boolean {
    const made = this.#made[at];
    if (made?.instance !== instance || made.run !== instance.run || made.key !== instance.key) return false;
    return made.isLive === isLive(instance);
  }

  #makeLive(): ReadonlyMap<string, ReadonlySet<string>> {
    const live = new Map<string, Set<string>>();
    this.#owners.clear();
    this.#writers.clear();
    this.#runs.clear();
    for (const { instance, key, run, isLive: writes } of this.#made) {
      const folder = this.#folderOf(key);
      this.#owners.set(folder, instance);
      const spools = live.get(folder) ?? new Set();
      live.set(folder, spools);
      if (run === null) continue;
      const spool = this.#spoolOf(folder, run);
      this.#writers.set(spool, instance);
      const runs = this.#runs.get(folder);
      if (runs === undefined) this.#runs.set(folder, [spool]);
      else runs.push(spool);
      if (writes) spools.add(spool);
    }
    return live;
  }

  #logOf(folder: string): ServiceLog {
    const known = this.#logs.get(folder);
    if (known !== undefined) return known;
    const { clock, onTrouble, onRecovered } = this.#options;
    const log = openServiceLog(folder, {
      clock,
      limits: () => this.#limitsOf(folder),
      onTrouble: (detail) => onTrouble(folder, detail),
      onRecovered: (lost) => onRecovered(folder, lost),
      onLine: (line, spool) => this.#writers.get(spool)?.line(line),
    });
    this.#logs.set(folder, log);
    return log;
  }

  #limitsOf(folder: string): PumpLimits {
    const own = this.#owners.get(folder)?.definition.logs;
    if (own !== undefined) this.#limits.set(folder, own);
    return {
      ...(own ?? this.#limits.get(folder) ?? this.#options.standard()),
      diskFreeBytes: DISK_FREE_BYTES,
      partialMs: PARTIAL_MS,
    };
  }

  #folderOf(key: InstanceKey): string {
    const known = this.#folders.get(key);
    if (known !== undefined) return known;
    const folder = join(this.#options.folder, folderOfKey(key));
    this.#folders.set(key, folder);
    return folder;
  }
}

/** Of which service a folder is: `web.2` is of `web`. */
const serviceOf = (folder: string): string => basename(folder).split(".")[0] ?? "";

/** False: something is in it. */
function removeEmptyFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    // Whatever else the system says about it: it stays, and is looked at again.
    return false;
  }
}

/** Whether its run may write. */
const isLive = ({ tree, state }: Instance): boolean => tree !== null || state.phase.kind === "spawning";
