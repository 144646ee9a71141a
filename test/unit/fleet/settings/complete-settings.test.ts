import { describe, expect, test } from "bun:test";
import { completeSettings } from "../../../../src/fleet/settings/complete-settings.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";

describe("completeSettings()", () => {
  test("completeSettings() answers the defaults where nothing is given", () => {
    expect(completeSettings({})).toEqual(DEFAULT_SETTINGS);
  });

  test("completeSettings() takes one key of a section and keeps the others", () => {
    const settings = completeSettings({ breaker: { failures: 2 } });
    expect(settings.breaker).toEqual({ ...DEFAULT_SETTINGS.breaker, failures: 2 });
  });

  test("completeSettings() takes lists and labels whole", () => {
    const settings = completeSettings({ groups: ["db"], labels: { role: "db" } });
    expect([settings.groups, settings.labels]).toEqual([["db"], { role: "db" }]);
  });
});
