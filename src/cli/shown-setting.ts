import type { SettingPath } from "../fleet/settings/setting-paths.ts";
import { parseRemoteAddress } from "../platform/git/remote-address.ts";
import { isReference } from "../platform/secret-reference.ts";

/** A setting's value as it may be shown: a remote without credentials, and a reference as it was written. */
export function shownValue(path: SettingPath, value: unknown): unknown {
  if (path.join(".") !== "remote" || typeof value !== "string" || isReference(value)) return value;
  return parseRemoteAddress(value).displayUrl;
}
