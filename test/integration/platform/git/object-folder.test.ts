import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inObjectFolder } from "../../../../src/platform/git/object-folder.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fleetd-objects-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("inObjectFolder()", () => {
  test("writes into a folder that is made, and that somebody takes away before the first byte", () => {
    const folder = join(root, "0f");
    let times = 0;
    const answer = inObjectFolder(folder, () => {
      times += 1;
      if (times < 3) rmSync(folder, { recursive: true });
      writeFileSync(join(folder, "object"), "whole");
      return times;
    });
    expect(answer).toBe(3);
    expect(readFileSync(join(folder, "object"), "utf8")).toBe("whole");
  });

  test("gives up on what is gone each time, and at once on anything else", () => {
    const folder = join(root, "0f");
    let times = 0;
    const missing = (): void => {
      times += 1;
      readFileSync(join(root, "nothing"));
    };
    expect(() => inObjectFolder(folder, missing)).toThrow("ENOENT");
    expect(times).toBeGreaterThan(1);
    times = 0;
    const refused = (): void => {
      times += 1;
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    };
    expect(() => inObjectFolder(folder, refused)).toThrow("no space");
    expect(times).toBe(1);
    expect(existsSync(folder)).toBe(true);
  });
});
