import { expect, test } from "bun:test";
import { isReservedVariable, variableProblem } from "../../../src/base/variable-name.ts";

test.each(["PATH", "_x", "NODE_ENV", "WATCHDOG_FOOD", "FLEETD_HOME", "BUNDLE"])(
  "variableProblem(%j) finds nothing",
  (name) => {
    expect(variableProblem(name)).toBeNull();
  },
);

test.each(["", "1A", "A-B", "A=B", "A B", "Ä", "A".repeat(256)])(
  "variableProblem(%j) finds no name",
  (name) => {
    expect(variableProblem(name)).toContain("need a name");
  },
);

test.each([
  "BUN_OPTIONS",
  "bun_be_bun",
  "FLEETD_SERVICE",
  "FLEETD_SERVICE_RUN",
  "FLEETD_INSTANCE",
  "LISTEN_FDS",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
])("variableProblem(%j) says that it is reserved", (name) => {
  expect(isReservedVariable(name)).toBe(true);
  expect(variableProblem(name)).toContain("reserved");
});
