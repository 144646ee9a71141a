import { watchFolder } from "../platform/watch.ts";

/** Git moves `x.lock` to `x`; only the second is news. */
const isRefName = (name: string): boolean => !name.endsWith(".lock");

/**
 * Rings when a ref of another server moves on a file remote. The folders exist only after the first push, so the
 * caller calls `refresh` before and after every look: what moves after the look then rings.
 */
export function createRemoteWatch(
  remote: { readonly folder: string; readonly namespace: string; readonly server: string },
  ring: () => void,
): { readonly refresh: () => void; readonly close: () => void } {
  const watched = new Map<string, () => void>();
  return {
    refresh() {
      for (const kind of ["log", "state"]) {
        const folder = `${remote.folder}/${remote.namespace}${kind}`;
        if (watched.has(folder)) continue;
        const close = watchFolder(folder, {
          onChange: (name) => {
            if (name !== remote.server && isRefName(name)) ring();
          },
          onGone: () => watched.delete(folder),
        });
        if (close !== null) watched.set(folder, close);
      }
    },
    close() {
      for (const close of watched.values()) close();
      watched.clear();
    },
  };
}
