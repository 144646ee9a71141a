import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { parseDuration } from "../../../../src/base/duration.ts";
import { readWith } from "../../../../src/fleet/settings/read-with.ts";

describe("readWith()", () => {
  const schema = readWith(parseDuration);

  test("readWith() answers what its parser makes of a number or a text", () => {
    expect([v.parse(schema, 2), v.parse(schema, "3m")]).toEqual([2000, 180_000]);
  });

  test("readWith() refuses in its parser's words, and what is neither number nor text by itself", () => {
    expect(v.safeParse(schema, "soon").issues?.[0].message).toStartWith('Cannot read duration "soon"');
    expect(v.safeParse(schema, true).success).toBe(false);
  });
});
