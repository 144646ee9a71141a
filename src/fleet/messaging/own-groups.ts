import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const SETTING = "groups";

/**
 * The groups this server is in, as whoever receives for it said last: its daemon, or a command while none runs. Both
 * look at the same messages, so both have to go by one word.
 */
export function ownGroups(state: Database): readonly string[] {
  const json = readSetting(state, SETTING);
  // Written by `setOwnGroups`.
  return json === null ? [] : (readStoredJson(json, "the groups in state.db") as string[]);
}

/** Says which groups hold from now on. True when that is news. */
export function setOwnGroups(state: Database, groups: readonly string[]): boolean {
  const json = JSON.stringify([...new Set(groups)].sort());
  if (json === JSON.stringify(ownGroups(state))) return false;
  state.transaction(() => writeSetting(state, SETTING, json));
  return true;
}
