import { describe, expect, test } from "bun:test";
import { checkRelations } from "../../../../src/fleet/settings/check-relations.ts";
import { completeSettings } from "../../../../src/fleet/settings/complete-settings.ts";
import type { FileSettings } from "../../../../src/fleet/settings/model.ts";

const check = (given: FileSettings) => checkRelations(completeSettings(given));

describe("checkRelations()", () => {
  test("checkRelations() finds nothing wrong with the defaults", () => {
    expect(check({})).toEqual([]);
  });

  test.each<[FileSettings, string, string]>([
    [{ retry: { first: 9_000 } }, "retry.first", "9 s is more than retry.longest (8 s)"],
    [{ retry: { longest: 1_000 } }, "retry.first", "2 s is more than retry.longest (1 s)"],
    [{ poll: { idle: 500 } }, "poll.conversation", "1 s is more than poll.idle (500 ms)"],
    [
      { health: { disk_critical: 2 * 1024 ** 3 } },
      "health.disk_critical",
      "2.0 GiB is more than health.disk_warn (1.0 GiB)",
    ],
    [
      { health: { remote_critical: 60_000 } },
      "health.remote_warn",
      "5 min is more than health.remote_critical (1 min)",
    ],
    [{ log: { total: 1024 } }, "log.file_size", "10.0 MiB is more than log.total (1.0 KiB)"],
  ])("checkRelations() of %j names %s", (given, key, message) => {
    const [first, ...more] = check(given);
    expect([first?.path.join("."), first?.message, more]).toEqual([key, message, []]);
  });

  test("checkRelations() names the other setting, since either may be meant", () => {
    expect(check({ retry: { longest: 0 } })[0]?.other).toEqual(["retry", "longest"]);
  });

  test.each<[FileSettings, string]>([
    [{ interval: 0 }, "interval"],
    [{ timeouts: { push: 0 } }, "timeouts.push"],
    [{ heartbeat: { every: 0 } }, "heartbeat.every"],
  ])("checkRelations() refuses nothing where %j paces something", (given, key) => {
    expect(check(given)).toEqual([{ path: key.split("."), other: null, message: "need more than 0" }]);
  });

  test("checkRelations() takes two equal bounds", () => {
    expect(check({ retry: { first: 8_000 } })).toEqual([]);
  });
});
