import { describe, expect, test } from "bun:test";
import type { Lock } from "../../../src/base/ports/lock.ts";

/** Tries to take the one lock of a test. */
export type TryLock = () => Lock | null;

/** What everybody may expect of a `Lock`. */
export function lockContract(name: string, make: () => TryLock): void {
  describe(`Lock: ${name}`, () => {
    test("is given to one holder at a time", () => {
      const tryLock = make();
      const held = tryLock();
      expect(held).not.toBeNull();
      expect(tryLock()).toBeNull();
      expect(tryLock()).toBeNull();
      held?.release();
    });

    test("is free again after release()", () => {
      const tryLock = make();
      for (const _ of [1, 2, 3]) {
        const held = tryLock();
        expect(held).not.toBeNull();
        held?.release();
      }
    });

    test("is not disturbed by a holder who releases twice", () => {
      const tryLock = make();
      const first = tryLock();
      first?.release();
      const second = tryLock();
      first?.release();
      expect(tryLock()).toBeNull();
      second?.release();
    });
  });
}
