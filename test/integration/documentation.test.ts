import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import { DESCRIPTIONS } from "../../src/fleet/settings/descriptions.ts";
import { kindOf } from "../../src/fleet/settings/model.ts";
import { renderValue } from "../../src/fleet/settings/render-value.ts";
import {
  SETTING_PATHS,
  type SettingPath,
  valueAt,
  variableOf,
} from "../../src/fleet/settings/setting-paths.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/configuration.md"), "utf8");

function rowOf(path: SettingPath): string {
  const key = path.join(".");
  const standard = valueAt(DEFAULT_SETTINGS, path);
  const shown = standard === undefined ? "none" : `\`${renderValue(standard, kindOf(key))}\``;
  return `| \`${key}\` | ${shown} | \`${variableOf(path)}\` | ${DESCRIPTIONS[key] ?? "?"} |`;
}

test("docs/configuration.md has a row for every setting, with its default and its variable", () => {
  const rows = SETTING_PATHS.map(rowOf);
  // What is missing is printed whole, to be copied there.
  expect(rows.filter((row) => !page.includes(row)).join("\n")).toBe("");
  expect(page.split("\n").filter((line) => /^\| `[a-z_.]+` \|/.test(line))).toEqual(rows);
});
