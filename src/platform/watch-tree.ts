/**
 * Watches whole folders for changes, one watch per folder: a recursive watch of the system would also take in what is left
 * out, and of that there may be so much (installed packages) that the system has no room for it.
 */
import { type Dirent, lstatSync, readdirSync, watch } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { messageOf } from "../base/errors.ts";
import type { FileWatcher, WatchEvents, WatchTarget } from "../base/ports/file-watcher.ts";
import { hasCode, isDenied } from "./io-error.ts";

/** Watches of this system. */
export const systemFileWatcher: FileWatcher = {
  watch(target, events) {
    const tree = new WatchedTree(target, events);
    tree.begin();
    return () => tree.close();
  },
};

/** Where the system has no more room for watches, in words that say where to make some. */
const FULL =
  "the system has no room for more watches (fs.inotify.max_user_watches and max_user_instances of Linux); " +
  "raise the limit, or leave folders out with watch.ignore";

class WatchedTree {
  readonly #target: WatchTarget;
  readonly #events: WatchEvents;
  readonly #folders = new Map<string, () => void>();
  #isFull = false;
  #isClosed = false;

  constructor(target: WatchTarget, events: WatchEvents) {
    this.#target = target;
    this.#events = events;
  }

  begin(): void {
    const { path } = this.#target;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined)
      this.#events.onTrouble(`cannot watch "${path}": there is no such file or folder`);
    else if (found.isDirectory()) this.#addFolder(path);
    // Editors put a new file in the place of the old one: its folder sees that, the file itself does not.
    else
      this.#watchFolder(dirname(path), (name) => {
        if (name === basename(path)) this.#events.onChange(path);
      });
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#folders.values()) stop();
    this.#folders.clear();
  }

  #addFolder(folder: string): void {
    // A folder that was renamed, or made anew, is another one with the same name.
    this.#folders.get(folder)?.();
    this.#folders.delete(folder);
    if (!this.#watchFolder(folder, (name) => this.#changed(folder, name))) return;
    for (const entry of this.#read(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !this.#isIgnored(path)) this.#addFolder(path);
    }
  }

  #changed(folder: string, name: string): void {
    if (this.#isClosed) return;
    const path = join(folder, name);
    if (name !== "" && this.#isIgnored(path)) return;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) this.#dropFolder(path);
    else if (found.isDirectory() && path !== folder && !this.#folders.has(path)) this.#addFolder(path);
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

  /** False when it cannot be watched, which was told. */
  #watchFolder(folder: string, onName: (name: string) => void): boolean {
    if (this.#isFull) return false;
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => onName(name ?? ""));
      watcher.on("error", (thrown) => this.#lost(folder, thrown));
      this.#folders.set(folder, () => watcher.close());
      return true;
    } catch (thrown) {
      // It went before it was looked at.
      if (!hasCode(thrown, "ENOENT", "ENOTDIR")) this.#tell(folder, thrown);
      return false;
    }
  }

  #lost(folder: string, thrown: unknown): void {
    this.#folders.get(folder)?.();
    this.#folders.delete(folder);
    if (!this.#isClosed && !hasCode(thrown, "ENOENT")) this.#tell(folder, thrown);
  }

  #tell(folder: string, thrown: unknown): void {
    this.#isFull ||= hasCode(thrown, "ENOSPC", "EMFILE", "ENFILE");
    const why = this.#isFull ? FULL : messageOf(thrown);
    this.#events.onTrouble(`cannot watch "${folder}": ${why}`);
  }

  #read(folder: string): readonly Dirent[] {
    try {
      return readdirSync(folder, { withFileTypes: true });
    } catch (thrown) {
      if (!hasCode(thrown, "ENOENT", "ENOTDIR")) {
        this.#events.onTrouble(
          `cannot watch "${folder}": ${isDenied(thrown) ? "permission denied" : messageOf(thrown)}`,
        );
      }
      return [];
    }
  }

  #isIgnored(path: string): boolean {
    return this.#target.isIgnored(relative(this.#target.path, path).replaceAll(sep, "/"));
  }
}
