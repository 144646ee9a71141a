import { expect, test } from "bun:test";
import { BreakerOpenError } from "../../../src/resilience/breaker-open-error.ts";

test("BreakerOpenError says which breaker refused, also without a cause", () => {
  const error = new BreakerOpenError("mail", { reason: "probing", retryAfterMs: 5, causes: [] });
  expect(error.message).toBe('Cannot call "mail": its breaker is open');
  expect(error).toBeInstanceOf(Error);
});
