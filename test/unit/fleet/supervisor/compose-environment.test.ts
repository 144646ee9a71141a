import { describe, expect, test } from "bun:test";
import { composeEnvironment } from "../../../../src/fleet/supervisor/compose-environment.ts";

const parts = {
  own: {
    HOME: "/root",
    PATH: "/bin",
    LANG: "C",
    USER: "root",
    XDG_RUNTIME_DIR: "/run/user/0",
    BUN_OPTIONS: "x",
    SECRET: "s",
  },
  account: null,
  files: [],
  env: {},
  service: "web",
  instance: 2,
};

describe("composeEnvironment()", () => {
  test("composeEnvironment() is a small clean base and who it is for", () => {
    expect(composeEnvironment(parts)).toEqual({
      ok: true,
      value: {
        HOME: "/root",
        PATH: "/bin",
        LANG: "C",
        USER: "root",
        XDG_RUNTIME_DIR: "/run/user/0",
        FLEETD_SERVICE: "web",
        FLEETD_INSTANCE: "2",
      },
    });
  });

  test("composeEnvironment() lets env go before files, and a later file before an earlier one", () => {
    const composed = composeEnvironment({
      ...parts,
      files: [
        { A: "1", B: "1", C: "1", PATH: "/x" },
        { B: "2", C: "2" },
      ],
      env: { C: "3" },
    });
    expect(composed.ok && composed.value).toMatchObject({ PATH: "/x", A: "1", B: "2", C: "3" });
  });

  test("composeEnvironment() gives another user what is theirs, and nothing personal of the daemon's", () => {
    const account = { name: "www", home: "/srv/www", shell: "/bin/false" };
    expect(composeEnvironment({ ...parts, account })).toEqual({
      ok: true,
      value: {
        PATH: "/bin",
        LANG: "C",
        HOME: "/srv/www",
        USER: "www",
        LOGNAME: "www",
        SHELL: "/bin/false",
        FLEETD_SERVICE: "web",
        FLEETD_INSTANCE: "2",
      },
    });
  });

  test("composeEnvironment() lets nobody say what fleetd says", () => {
    const forged = { FLEETD_SERVICE: "other", FLEETD_INSTANCE: "9", NOTIFY_SOCKET: "/x", BUN_BE_BUN: "1" };
    const composed = composeEnvironment({ ...parts, files: [forged], env: forged });
    expect(composed.ok && composed.value).toMatchObject({ FLEETD_SERVICE: "web", FLEETD_INSTANCE: "2" });
    expect(JSON.stringify(composed)).not.toContain("NOTIFY_SOCKET");
  });

  test("composeEnvironment() refuses more than a system takes", () => {
    const files = Array.from({ length: 20 }, (_, index) => ({ [`A${index}`]: "x".repeat(32_000) }));
    const composed = composeEnvironment({ ...parts, files });
    expect(composed.ok ? "" : composed.error).toContain('Cannot start "web"');
  });
});
