import { DEFAULT_SETTINGS } from "./defaults.ts";
import { DESCRIPTIONS } from "./descriptions.ts";
import { kindOf } from "./model.ts";
import { renderValue } from "./render-value.ts";
import { SETTING_PATHS, type SettingPath, valueAt } from "./setting-paths.ts";

const HEAD = `# fleetd.yaml: every setting with its default. What stands here and is right for you can be left out.
# A flag goes before an environment variable (FLEETD_BREAKER_FAILURES), that before this file.
# Durations: 500ms, 30s, 2h, 7d; a bare number is seconds. Sizes: 512 KiB, 1 GiB; a bare number is bytes.
`;

/** Settings without a default, and what an example would have there. */
const WITHOUT_DEFAULT: Readonly<Record<string, string>> = {
  server: "build1",
  remote: "ssh://git@host/srv/fleet.git",
};

/** A whole configuration file: what it says is what holds without one. */
export function renderExample(): string {
  const lines: string[] = [HEAD];
  let section = "";
  for (const path of SETTING_PATHS) {
    const [outer = "", name] = path;
    if (name !== undefined && outer !== section) lines.push(`\n${outer}:`);
    else if (name === undefined && section !== "") lines.push("");
    section = name === undefined ? "" : outer;
    const indent = name === undefined ? "" : "  ";
    const description = DESCRIPTIONS[path.join(".")];
    if (description !== undefined) lines.push(`${indent}# ${description}.`);
    lines.push(`${indent}${entryOf(path)}`);
  }
  return `${lines.join("\n")}\n`;
}

function entryOf(path: SettingPath): string {
  const key = path.join(".");
  const example = WITHOUT_DEFAULT[key];
  if (example !== undefined) return `# ${key}: ${example}`;
  return `${path.at(-1)}: ${renderValue(valueAt(DEFAULT_SETTINGS, path), kindOf(key))}`;
}
