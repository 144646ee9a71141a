import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { derivedId } from "../../../../src/fleet/messaging/ids.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";

describe("derivedId()", () => {
  test("derivedId() gives the same id for the same parts, in this release and every later one", () => {
    // Changing this value would send again what a queue sent before an upgrade.
    expect(derivedId("reply", ["status", "code2", "code1"], cryptography)).toBe(
      "7ce66771-793e-853a-b880-94e268ee0c09",
    );
  });

  test("derivedId() is a UUIDv8 whatever the parts", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string({ unit: "binary" })), (purpose, parts) => {
        expect(derivedId(purpose, parts, cryptography)).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        );
      }),
    );
  });

  test("derivedId() tells different parts apart, however they could be joined", () => {
    const lists = fc.uniqueArray(fc.array(fc.string({ unit: fc.constantFrom("a", ",", '"', "[") })), {
      selector: (parts) => JSON.stringify(parts),
    });
    fc.assert(
      fc.property(lists, (all) => {
        const ids = new Set(all.map((parts) => derivedId("x", parts, cryptography)));
        expect(ids.size).toBe(all.length);
      }),
    );
  });

  test("derivedId() keeps uses apart", () => {
    expect(derivedId("reply", ["a"], cryptography)).not.toBe(derivedId("idempotency", ["a"], cryptography));
    expect(derivedId("a", ["b"], cryptography)).not.toBe(derivedId("a,b", [], cryptography));
  });
});
