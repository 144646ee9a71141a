import { expect, test } from "bun:test";
import { sparkline } from "../../../../src/cli/output/sparkline.ts";

test.each([
  [[], 10, ""],
  [[0, 0], 10, "··"],
  [[1, 2, 4, 8, 0], 10, "▁▂▄█·"],
  [[5], 10, "█"],
  [[1, 1, 1, 1, 3, 3], 3, "▃▃█"],
  [[1000, 1], 10, "█▁"],
])("sparkline() of %j in %d columns", (values, width, line) => {
  expect(sparkline(values, width)).toBe(line);
});
