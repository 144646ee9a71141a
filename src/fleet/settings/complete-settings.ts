import { DEFAULT_SETTINGS } from "./defaults.ts";
import type { FileSettings, ServerSettings } from "./model.ts";

/** The settings of a server: what a source says, and the defaults for the rest. Lists and labels are taken whole. */
export function completeSettings(given: FileSettings): ServerSettings {
  const entries = Object.entries(DEFAULT_SETTINGS).map(([key, standard]) => {
    const value = given[key as keyof ServerSettings];
    if (value === undefined) return [key, standard];
    const isSection = typeof value === "object" && !Array.isArray(value) && key !== "labels";
    return [key, isSection ? { ...(standard as object), ...value } : value];
  });
  // The table of defaults has every key, so what is made of its entries has them too.
  return Object.fromEntries(entries) as ServerSettings;
}
