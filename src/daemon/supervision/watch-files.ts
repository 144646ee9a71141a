/** Services that are started anew when their files change: one watch per service that runs, and one restart for a burst. */
import { resolve } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { FileWatcher } from "../../base/ports/file-watcher.ts";
import { Timer } from "../../base/timer.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { ServiceDefinition } from "../../fleet/supervisor/model.ts";

/** What this is made with. */
export interface WatchFilesOptions {
  readonly clock: Clock;
  readonly watcher: FileWatcher;
  readonly instances: () => readonly Instance[];
  /** Starts what runs of a service anew; `path` is the first that changed. */
  readonly renew: (service: string, path: string) => Promise<void>;
  readonly notice: (text: string) => void;
}

/** Never watched: what is in them changes with every commit and every installation, and is no part of the service. */
const ALWAYS_IGNORED = [".git", "node_modules"];
/** A burst that does not end is over after so many times its pause. Chosen: a build that goes on writing is not waited for for ever. */
const BURST_PAUSES = 20;

/** See the head of this file. */
export class WatchFiles {
  readonly #options: WatchFilesOptions;
  readonly #watches = new Map<string, ServiceWatch>();

  constructor(options: WatchFilesOptions) {
    this.#options = options;
  }

  /** Watches for exactly those that run. Called with every change. */
  refresh(): void {
    const running = new Map<string, ServiceDefinition>();
    for (const { definition, state } of this.#options.instances()) {
      if (definition.watch !== null && state.wanted && state.phase.kind !== "stopped") {
        running.set(definition.name, definition);
      }
    }
    for (const [name, watch] of this.#watches) {
      const definition = running.get(name);
      if (definition !== undefined && watch.isFor(definition)) continue;
      watch.close();
      this.#watches.delete(name);
    }
    for (const [name, definition] of running) {
      if (this.#watches.has(name)) continue;
      const watch = new ServiceWatch(definition, this.#options);
      this.#watches.set(name, watch);
      watch.begin();
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
  }
}

class ServiceWatch {
  readonly #definition: ServiceDefinition;
  readonly #options: WatchFilesOptions;
  readonly #stops: (() => void)[] = [];
  readonly #told = new Set<string>();
  #firstPath: string | null = null;
  #firstMonoMs = 0;
  readonly #timer: Timer;

  constructor(definition: ServiceDefinition, options: WatchFilesOptions) {
    this.#definition = definition;
    this.#options = options;
    this.#timer = new Timer(options.clock);
  }

  /** Whether another definition asks for the same watch. */
  isFor({ watch, cwd }: ServiceDefinition): boolean {
    return JSON.stringify([watch, cwd]) === JSON.stringify([this.#definition.watch, this.#definition.cwd]);
  }

  begin(): void {
    const { cwd, watch } = this.#definition;
    const base = cwd ?? "/";
    const isIgnored = ignoring(watch?.ignore ?? []);
    const paths = watch === null || watch.paths.length === 0 ? [base] : watch.paths;
    for (const path of new Set(paths.map((one) => resolve(base, one)))) {
      const stop = this.#options.watcher.watch(
        { path, isIgnored },
        { onChange: (changed) => this.#changed(changed), onTrouble: (detail) => this.#tell(detail) },
      );
      this.#stops.push(stop);
    }
  }

  close(): void {
    this.#timer.stop();
    for (const stop of this.#stops) stop();
  }

  #changed(path: string): void {
    const nowMonoMs = this.#options.clock.monotonicMs();
    if (this.#firstPath === null) {
      this.#firstPath = path;
      this.#firstMonoMs = nowMonoMs;
    }
    const debounceMs = this.#definition.watch?.debounceMs ?? 0;
    const leftMs = this.#firstMonoMs + debounceMs * BURST_PAUSES - nowMonoMs;
    // The next change begins the wait anew.
    this.#timer.set(Math.max(0, Math.min(debounceMs, leftMs)), () => this.#renew());
  }

  async #renew(): Promise<void> {
    const path = this.#firstPath;
    this.#firstPath = null;
    if (path === null) return;
    try {
      await this.#options.renew(this.#definition.name, path);
    } catch (thrown) {
      this.#tell(messageOf(thrown));
    }
  }

  /** Once each: a limit of the system is met at every folder. */
  #tell(detail: string): void {
    if (this.#told.has(detail)) return;
    this.#told.add(detail);
    this.#options.notice(`${this.#definition.name}: ${detail}`);
  }
}

/**
 * Whether a path is left out. A pattern without a slash means a name at any depth, one with a slash a path below the watched
 * folder, as in `.gitignore`.
 */
export function ignoring(patterns: readonly string[]): (path: string) => boolean {
  const trimmed = patterns.map((pattern) => pattern.replace(/\/+$/, ""));
  const names = [...ALWAYS_IGNORED, ...trimmed.filter((one) => !one.includes("/"))].map(
    (one) => new Bun.Glob(one),
  );
  const paths = trimmed
    .filter((one) => one.includes("/"))
    .map((one) => new Bun.Glob(one.replace(/^\.?\//, "")));
  return (path) => {
    const words = path.split("/");
    if (words.some((word) => names.some((glob) => glob.match(word)))) return true;
    // A folder that is left out leaves out what is in it.
    const prefixes = words.map((_, index) => words.slice(0, index + 1).join("/"));
    return prefixes.some((prefix) => paths.some((glob) => glob.match(prefix)));
  };
}
