import { statSync } from "node:fs";
import { watchFolder } from "../platform/watch.ts";

/** Git moves `x.lock` to `x`; only the second is news. */
const isRefName = (name: string): boolean => !name.endsWith(".lock");

const KINDS = ["log", "state"];

/**
 * Rings when a ref of another server moves on a file remote. The folders exist only after the first push, and git takes
 * them away when it packs refs, to make them anew for the next push. So the caller calls `refresh` before and after
 * every look, the folder above them is watched as well, and what moves after the look then rings.
 */
export function createRemoteWatch(
  remote: { readonly folder: string; readonly namespace: string; readonly server: string },
  ring: () => void,
): { readonly refresh: () => void; readonly close: () => void } {
  const watched = new Map<string, { readonly identity: string; readonly close: () => void }>();

  /** Watches `folder` if it is there, and not the one that was there before. */
  function keepWatching(folder: string, isNews: (name: string) => boolean): void {
    const identity = identityOf(folder);
    const known = watched.get(folder);
    if (known !== undefined && known.identity === identity) return;
    known?.close();
    watched.delete(folder);
    if (identity === null) return;
    const close = watchFolder(folder, {
      onChange: (name) => {
        if (isNews(name)) ring();
      },
      onGone: () => watched.delete(folder),
    });
    if (close !== null) watched.set(folder, { identity, close });
  }

  return {
    refresh() {
      const above = `${remote.folder}/${remote.namespace}`;
      keepWatching(above, (name) => KINDS.includes(name));
      for (const kind of KINDS) {
        keepWatching(`${above}${kind}`, (name) => name !== remote.server && isRefName(name));
      }
    },
    close() {
      for (const { close } of watched.values()) close();
      watched.clear();
    },
  };
}

/** Tells a folder from one that is made later under its name, which may bear its number; null when none is there. */
function identityOf(folder: string): string | null {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}:${found.birthtimeMs}`;
}
