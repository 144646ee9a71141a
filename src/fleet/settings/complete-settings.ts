import { DEFAULT_SETTINGS } from "./defaults.ts";
import type { FileSettings, ServerSettings } from "./model.ts";
import { layerSettings } from "./setting-paths.ts";

/** The settings of a server: what a source says, and the defaults for the rest. Lists and labels are taken whole. */
export function completeSettings(given: FileSettings): ServerSettings {
  const { server: _server, remote: _remote, ...settings } = layerSettings([given, DEFAULT_SETTINGS]);
  // The table of defaults has every key, so what is layered over it has them too.
  return settings as ServerSettings;
}
