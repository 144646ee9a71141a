import { describe, expect, test } from "bun:test";
import { completeSettings } from "../../../../src/fleet/settings/complete-settings.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { parseFileSettings } from "../../../../src/fleet/settings/model.ts";
import { renderExample } from "../../../../src/fleet/settings/render-example.ts";
import { SETTING_PATHS, valueAt } from "../../../../src/fleet/settings/setting-paths.ts";

describe("renderExample()", () => {
  const example: unknown = Bun.YAML.parse(renderExample());

  test("renderExample() says exactly the defaults", () => {
    const parsed = parseFileSettings(example);
    expect(parsed.ok).toBe(true);
    if (parsed.ok) expect(completeSettings(parsed.value)).toEqual(DEFAULT_SETTINGS);
  });

  test("renderExample() names every setting that has a default", () => {
    const missing = SETTING_PATHS.filter((path) => valueAt(DEFAULT_SETTINGS, path) !== undefined).filter(
      (path) => valueAt(example as object, path) === undefined,
    );
    expect(missing).toEqual([]);
  });

  test("renderExample() describes each setting in the line above it", () => {
    const lines = renderExample().split("\n");
    for (const [index, line] of lines.entries()) {
      if (/^(?:# )? *[a-z_]+: \S/.test(line)) expect(lines[index - 1]).toMatch(/^ *# .+\.$/);
    }
  });
});
