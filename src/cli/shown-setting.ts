import type { SettingPath } from "../fleet/settings/setting-paths.ts";
import { showServices } from "../fleet/settings/show-services.ts";
import { parseRemoteAddress } from "../platform/git/remote-address.ts";
import { isReference } from "../platform/secret-reference.ts";

/** A setting's value as it may be shown: without credentials, and a reference as it was written. */
export function shownValue(path: SettingPath, value: unknown): unknown {
  if (path.join(".") === "services") return showServices(value);
  if (path.join(".") !== "remote" || typeof value !== "string" || isReference(value)) return value;
  return parseRemoteAddress(value).displayUrl;
}
