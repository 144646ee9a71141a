import { describe, expect, test } from "bun:test";
import { compareSettings } from "../../../../src/fleet/settings/compare-settings.ts";
import type { FileSettings } from "../../../../src/fleet/settings/model.ts";

const compare = (before: FileSettings, after: FileSettings) =>
  compareSettings(before, after, (path, value) => (path[0] === "remote" ? "hidden" : value));

describe("compareSettings()", () => {
  test("compareSettings() of the same is nothing, whatever the order of labels", () => {
    const one = { interval: 5, groups: ["a"], labels: { a: "1", b: "2" } };
    expect(compare(one, { interval: 5, groups: ["a"], labels: { b: "2", a: "1" } })).toEqual([]);
  });

  test("compareSettings() says old and new as a file would", () => {
    expect(compare({ interval: 10_000, breaker: { failures: 5 } }, { interval: 2_000 })).toEqual([
      { key: "interval", before: "10s", after: "2s", restart: false },
      { key: "breaker.failures", before: "5", after: "not set", restart: false },
    ]);
  });

  test("compareSettings() names what needs a restart, and shows only what may be seen", () => {
    expect(
      compare({ server: "a", remote: "https://u:p@h/1" }, { server: "b", remote: "https://u:p@h/2" }),
    ).toEqual([
      { key: "server", before: "a", after: "b", restart: true },
      { key: "remote", before: "hidden", after: "hidden", restart: true },
    ]);
  });

  test("compareSettings() names the keys of the services that changed, each as it may be seen", () => {
    const show = (_: unknown, value: unknown): unknown =>
      JSON.parse(JSON.stringify(value).replaceAll(/secret./g, "hidden"));
    const web = { command: ["web"], instances: 2, env: { TOKEN: "secret1" } };
    const before: FileSettings = { services: { web, db: { command: ["db"] }, old: { command: ["old"] } } };
    const now = { command: ["web"], env: { TOKEN: "secret2" }, restart: "no" } as const;
    const after: FileSettings = { services: { db: { command: ["db"] }, web: now, new: { command: ["n"] } } };
    expect(compareSettings(before, after, show).map((one) => [one.key, one.before, one.after])).toEqual([
      ["services.web.instances", "2", "not set"],
      ["services.web.env", '{"TOKEN":"hidden"}', '{"TOKEN":"hidden"}'],
      ["services.web.restart", "not set", '"no"'],
      ["services.old", '{"command":["old"]}', "not set"],
      ["services.new", "not set", '{"command":["n"]}'],
    ]);
  });

  test("compareSettings() sees a group that is gone", () => {
    expect(compare({ groups: ["db", "web"] }, { groups: ["db"] })).toEqual([
      { key: "groups", before: '["db","web"]', after: '["db"]', restart: false },
    ]);
  });
});
