import type { Reloaded } from "../daemon/monitor-context.ts";
import type { FileSettings, ServerSettings } from "../fleet/settings/model.ts";
import { readSources, type SettingFlags } from "./setting-sources.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { shownValue } from "./shown-setting.ts";

/** Settings that can be read anew while a monitor runs. */
export interface LiveSettings {
  /** What holds now. */
  now(): ServerSettings;
  /** Reads every source again. @throws FleetError CONFIG with what is wrong; then the old ones still hold */
  reload(): Promise<Reloaded>;
}

/** The settings of a monitor that was started with `flags`, which go before whatever is read later. */
export function liveSettings(first: Settings, flags: SettingFlags): LiveSettings {
  let current = first;
  let last: Promise<unknown> = Promise.resolve();
  const readAgain = async (): Promise<Reloaded> => {
    const { compareSettings } = await import("../fleet/settings/compare-settings.ts");
    const next = await settingsOf(await readSources(flags, process.env));
    const changes = compareSettings(asFile(current), asFile(next), shownValue);
    current = next;
    return { file: next.file, changes };
  };
  return {
    now: () => current.running,
    reload() {
      // One after the other: of two that read at once the older one might win.
      const turn = last.then(readAgain);
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

const asFile = ({ server, remote, running }: Settings): FileSettings => ({
  ...running,
  groups: [...running.groups],
  ...(server === null ? {} : { server }),
  ...(remote === null ? {} : { remote }),
});
