import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exists, readFileUpTo, readRegularFile } from "../../../src/platform/files.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const isPosix = process.platform !== "win32";

describe("exists()", () => {
  test("is false where nothing can be: below a file, in a circle of links, under a name that is too long", () => {
    writeFileSync(join(folder, "file"), "");
    if (isPosix) symlinkSync(join(folder, "circle"), join(folder, "circle"));
    const paths = ["file/below", "circle", "x".repeat(100_000), "none"];
    expect(paths.map((path) => exists(join(folder, path)))).toEqual(paths.map(() => false));
    expect([exists(folder), exists(join(folder, "file"))]).toEqual([true, true]);
  });
});

describe("readFileUpTo()", () => {
  test.each([0, 1, 65_535, 65_536, 65_537, 300_000])(
    "reads a file of %d bytes whole, or its beginning",
    (size) => {
      const path = join(folder, "bytes");
      const bytes = new Uint8Array(size).map((_, index) => index % 251);
      writeFileSync(path, bytes);
      expect(readFileUpTo(path, 300_000)).toEqual(bytes);
      expect(readFileUpTo(path, 100)).toEqual(bytes.subarray(0, 100));
    },
  );

  test.skipIf(!isPosix)("ends where the file does not", () => {
    expect(readFileUpTo("/dev/zero", 200_000).length).toBe(200_000);
  });
});

describe("readRegularFile()", () => {
  test("reads a file, and the beginning of one", () => {
    const path = join(folder, "regular");
    writeFileSync(path, "A=1");
    expect(new TextDecoder().decode(readRegularFile(path, 2))).toBe("A=");
  });

  test.skipIf(!isPosix)("refuses a pipe that nobody writes to, a device and a folder, at once", () => {
    const pipe = join(folder, "pipe");
    Bun.spawnSync(["mkfifo", pipe]);
    for (const path of [pipe, "/dev/zero", folder]) {
      expect(() => readRegularFile(path, 10)).toThrow("it is no regular file");
    }
  });
});
