import { describe, expect, test } from "bun:test";
import { DESCRIPTIONS } from "../../../../src/fleet/settings/descriptions.ts";
import { settingsJsonSchema } from "../../../../src/fleet/settings/json-schema.ts";
import { SETTING_PATHS } from "../../../../src/fleet/settings/setting-paths.ts";

type Node = { properties?: Record<string, Node>; description?: string; default?: unknown } & Record<
  string,
  unknown
>;
const schema = settingsJsonSchema() as Node;
const nodeAt = (path: readonly string[]): Node | undefined =>
  path.reduce<Node | undefined>((node, key) => node?.properties?.[key], schema);

describe("settingsJsonSchema()", () => {
  test("settingsJsonSchema() refuses unknown keys at both levels", () => {
    expect(schema["additionalProperties"]).toBe(false);
    expect(nodeAt(["breaker"])?.["additionalProperties"]).toBe(false);
  });

  test.each(SETTING_PATHS.map((path) => [path.join(".")]))("settingsJsonSchema() describes %s", (key) => {
    expect(nodeAt(key.split("."))?.description).toBe(DESCRIPTIONS[key] ?? "a description");
  });

  test("settingsJsonSchema() has the defaults as a file would say them", () => {
    expect(nodeAt(["interval"])?.default).toBe("10s");
    expect(nodeAt(["health", "disk_warn"])?.default).toBe("1 GiB");
    expect(nodeAt(["breaker", "failures"])?.default).toBe(5);
    expect(nodeAt(["server"])).not.toHaveProperty("default");
  });

  test("settingsJsonSchema() leaves labels to their owner", () => {
    expect(nodeAt(["labels"])).toMatchObject({ type: "object", additionalProperties: { type: "string" } });
  });

  test("settingsJsonSchema() takes trust in its short form and as a table", () => {
    expect(nodeAt(["trust"])).toMatchObject({
      type: ["object", "string"],
      pattern: "^(first-sight|pinned)$",
    });
    expect(nodeAt(["trust", "keys"])).toMatchObject({ additionalProperties: { type: "string" } });
  });

  test("no setting is described that there is none of", () => {
    const keys = new Set(SETTING_PATHS.map((path) => path.join(".")));
    expect(Object.keys(DESCRIPTIONS).filter((key) => !keys.has(key))).toEqual([]);
  });
});
