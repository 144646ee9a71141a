import { watch } from "node:fs";

/**
 * Watches the names in a folder; null where that is not possible (no such folder, no notification on this file
 * system). `onGone` when the watch ended by itself; whoever needs the news polls as well.
 */
export function watchFolder(
  path: string,
  on: { readonly onChange: (name: string) => void; readonly onGone: () => void },
): (() => void) | null {
  try {
    const watcher = watch(path, { persistent: false }, (_event, name) => on.onChange(name ?? ""));
    watcher.on("error", () => {
      watcher.close();
      on.onGone();
    });
    return () => watcher.close();
  } catch {
    // Polling goes on without it; a watch only makes waiting shorter.
    return null;
  }
}
