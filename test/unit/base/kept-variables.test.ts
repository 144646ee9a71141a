import { expect, test } from "bun:test";
import { keptVariables } from "../../../src/base/kept-variables.ts";

test("keptVariables() keeps what a program needs, and nothing that is not named", () => {
  const kept = {
    HOME: "/h",
    PATH: "/bin",
    LC_ALL: "C",
    XDG_RUNTIME_DIR: "/run",
    Path: "C:\\",
    FLEETD_HOME: "/f",
  };
  const others = {
    BUN_OPTIONS: "x",
    BUN_BE_BUN: "1",
    FLEETD_REMOTE: "r",
    AWS_SECRET: "s",
    LD_PRELOAD: "x",
    TZ: undefined,
  };
  expect(keptVariables({ ...kept, ...others })).toEqual(kept);
});
