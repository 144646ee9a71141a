/**
 * Watches whole folders for changes, one watch per folder: a recursive watch of the system would also take in what is left
 * out, and of that there may be so much (installed packages) that the system has no room for it.
 */
import { type Dirent, lstatSync, readdirSync, type Stats, watch } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { messageOf } from "../base/errors.ts";
import type { FileWatcher, WatchEvents, WatchTarget } from "../base/ports/file-watcher.ts";
import { hasCode, isDenied } from "./io-error.ts";

/** "rename": made, removed or moved; "change": anything else. */
type Happened = "rename" | "change";

/** Watches of this system. */
export const systemFileWatcher: FileWatcher = {
  watch(target, events) {
    const tree = new WatchedTree(target, events);
    tree.begin();
    return () => tree.close();
  },
};

/** How often what is not there, or may not be read, is looked for again. Chosen, not measured. */
const LOOK_AGAIN_MS = 2_000;

/** Where the system has no more room for watches, in words that say where to make some. */
const FULL =
  "the system has no room for more watches (fs.inotify.max_user_watches and max_user_instances of Linux); " +
  "raise the limit, or leave folders out with watch.ignore";

class WatchedTree {
  readonly #target: WatchTarget;
  readonly #events: WatchEvents;
  readonly #folders = new Map<string, () => void>();
  /** What should be watched and cannot be now, which was told. */
  readonly #missed = new Set<string>();
  /** Which file or folder the target was when it was looked at last; null: there was none. */
  #found: string | null = null;
  #isParentTold = false;
  #timer: ReturnType<typeof setInterval> | null = null;
  #isFull = false;
  #isClosed = false;

  constructor(target: WatchTarget, events: WatchEvents) {
    this.#target = target;
    this.#events = events;
  }

  begin(): void {
    this.#watchParent();
    this.#takeTarget();
    if (this.#found === null) this.#miss(this.#target.path, GONE);
    this.#timer = setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS);
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const stop of this.#folders.values()) stop();
    this.#folders.clear();
  }

  /**
   * Watches the folder that the target is in: when that is made anew, nothing in it says so, and editors put a new file in the
   * place of the old one.
   */
  #watchParent(): void {
    const { path } = this.#target;
    const parent = dirname(path);
    if (parent === path) return;
    const trouble = this.#watchFolder(parent, (event, name) => {
      if (name === basename(path)) this.#targetChanged(event);
    });
    const isNeeded = this.#stat(path)?.isDirectory() === false;
    if (trouble === null || this.#isParentTold || !isNeeded) return;
    this.#isParentTold = true;
    this.#events.onTrouble(`cannot watch "${parent}": ${whyNot(trouble)}`);
  }

  /** Watches the target as it is now. */
  #takeTarget(): void {
    const { path } = this.#target;
    const found = this.#stat(path);
    this.#found = found === null ? null : idOf(found);
    this.#dropFolder(path);
    if (found?.isDirectory() === true) this.#addFolder(path);
  }

  #targetChanged(event: Happened): void {
    const { path } = this.#target;
    // What is written into a folder is told by itself.
    if (this.#isClosed || (event === "change" && this.#folders.has(path))) return;
    this.#takeTarget();
    this.#events.onChange(path);
  }

  /** Takes up what was not there, or might not be read, and what came into the place of the target unseen. */
  #lookAgain(): void {
    const { path } = this.#target;
    const found = this.#stat(path);
    if (found === null || !this.#folders.has(dirname(path))) this.#watchParent();
    if (found === null) {
      this.#found = null;
      this.#miss(path, GONE);
      return;
    }
    if (idOf(found) !== this.#found) {
      this.#missed.delete(path);
      this.#takeTarget();
      this.#events.onChange(path);
    }
    for (const folder of this.#missed) this.#tryAgain(folder);
  }

  #tryAgain(folder: string): void {
    if (this.#stat(folder)?.isDirectory() !== true) this.#missed.delete(folder);
    else {
      this.#addFolder(folder);
      if (!this.#missed.has(folder)) this.#events.onChange(folder);
    }
  }

  #addFolder(folder: string): void {
    if (this.#isFull) return;
    const trouble = this.#watchFolder(folder, (event, name) => this.#changed(event, folder, name));
    if (trouble !== null) {
      this.#tell(folder, trouble);
      return;
    }
    const entries = this.#read(folder);
    if (entries === null) return;
    this.#missed.delete(folder);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !this.#isIgnored(path)) this.#addFolder(path);
    }
  }

  #changed(event: Happened, folder: string, name: string): void {
    if (this.#isClosed) return;
    const path = join(folder, name);
    if (name !== "" && this.#isIgnored(path)) return;
    const found = this.#stat(path);
    if (found === null) this.#dropFolder(path);
    else if (found.isDirectory() && path !== folder && (event === "rename" || !this.#folders.has(path))) {
      this.#addFolder(path);
    }
    // A folder's own time changes with what is in it, which is told by itself.
    this.#events.onChange(path);
  }

  #dropFolder(path: string): void {
    for (const [folder, stop] of this.#folders) {
      if (folder !== path && !folder.startsWith(path + sep)) continue;
      stop();
      this.#folders.delete(folder);
    }
  }

  /** Null when it is watched, else what is in the way. */
  #watchFolder(folder: string, onName: (event: Happened, name: string) => void): unknown {
    // A folder that was renamed, or made anew, is another one with the same name.
    this.#folders.get(folder)?.();
    this.#folders.delete(folder);
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => onName(event, name ?? ""));
      watcher.on("error", (thrown) => this.#lost(folder, thrown));
      this.#folders.set(folder, () => watcher.close());
      return null;
    } catch (thrown) {
      return thrown;
    }
  }

  #lost(folder: string, thrown: unknown): void {
    this.#folders.get(folder)?.();
    this.#folders.delete(folder);
    if (!this.#isClosed && folder !== dirname(this.#target.path)) this.#tell(folder, thrown);
  }

  #tell(folder: string, thrown: unknown): void {
    // It went before it was looked at.
    if (hasCode(thrown, "ENOENT", "ENOTDIR")) return;
    this.#isFull ||= isFull(thrown);
    // The system makes no room soon: that is for somebody to do.
    if (isFull(thrown)) this.#events.onTrouble(`cannot watch "${folder}": ${FULL}`);
    else this.#miss(folder, whyNot(thrown));
  }

  /** Something cannot be watched now: it is told once, and looked for again. */
  #miss(path: string, why: string): void {
    if (!this.#missed.has(path)) this.#events.onTrouble(`cannot watch "${path}": ${why}`);
    this.#missed.add(path);
  }

  #read(folder: string): readonly Dirent[] | null {
    try {
      return readdirSync(folder, { withFileTypes: true });
    } catch (thrown) {
      this.#tell(folder, thrown);
      return null;
    }
  }

  /** Null: it is not there, or (which is told of its folder) cannot be looked at. */
  #stat(path: string): Stats | null {
    try {
      return lstatSync(path, { throwIfNoEntry: false }) ?? null;
    } catch (thrown) {
      this.#tell(path === this.#target.path ? path : dirname(path), thrown);
      return null;
    }
  }

  #isIgnored(path: string): boolean {
    return this.#target.isIgnored(relative(this.#target.path, path).replaceAll(sep, "/"));
  }
}

const isFull = (thrown: unknown): boolean => hasCode(thrown, "ENOSPC", "EMFILE", "ENFILE");

const whyNot = (thrown: unknown): string =>
  isFull(thrown) ? FULL : isDenied(thrown) ? "permission denied" : messageOf(thrown);

const GONE = "there is no such file or folder";

const idOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;
