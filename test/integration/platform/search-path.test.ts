import { expect, test } from "bun:test";
import { absoluteParts } from "../../../src/platform/search-path.ts";

test.skipIf(process.platform === "win32").each([
  ["/bin:/usr/bin", "/bin:/usr/bin"],
  [".:/bin", "/bin"],
  [":/bin::/usr/bin:", "/bin:/usr/bin"],
  ["./node_modules/.bin:../x:bin", ""],
  ["", ""],
])("absoluteParts() of %p is %p", (path, expected) => {
  expect(absoluteParts(path)).toBe(expected);
});
