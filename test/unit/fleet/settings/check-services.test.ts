import { expect, test } from "bun:test";
import { checkServices } from "../../../../src/fleet/settings/check-services.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { parseServicesFile } from "../../../../src/fleet/settings/model.ts";

function problemsOf(services: Record<string, Record<string, unknown>>): string[] {
  const named = Object.entries(services).map(([name, rest]) => [name, { command: ["x"], ...rest }]);
  const parsed = parseServicesFile({ services: Object.fromEntries(named) });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return checkServices({ ...DEFAULT_SETTINGS, services: parsed.value }).map(
    ({ path, message }) => `${path.slice(1).join(".")}: ${message}`,
  );
}

test.each<[Record<string, Record<string, unknown>>, string[]]>([
  [{ web: { depends_on: ["db"] }, db: {} }, []],
  [{ web: { depends_on: ["db"] } }, ["web.depends_on.db: there is no such service"]],
  [{ web: { depends_on: ["tostring"] } }, ["web.depends_on.tostring: there is no such service"]],
  [
    { web: { depends_on: { db: "completed" } }, db: { restart: "always" } },
    ['web.depends_on.db: "db" never completes: its restart is always'],
  ],
  [
    { a: { depends_on: ["b"] }, b: { depends_on: ["c"] }, c: { depends_on: ["a"] } },
    ["a.depends_on: each waits for the next one: a -> b -> c -> a"],
  ],
  [{ a: { depends_on: ["a"] } }, ["a.depends_on: each waits for the next one: a -> a"]],
  [{ a: { groups: "b" }, b: {} }, ['a.groups: "b" is a service: need another name for the group']],
  [
    { a: { listen: "127.0.0.1:80" }, b: { listen: ["[::1]:80", "127.0.0.1:80"] } },
    ['b.listen: port 80 of 127.0.0.1 is taken by the service "a"'],
  ],
  [{ a: { backoff: { first: "2m" } } }, ["a.backoff.first: it is more than backoff.longest"]],
  [{ a: { logs: { total: "1 MiB" } } }, ["a.logs.file_size: it is more than logs.total"]],
])("checkServices(%j)", (services, expected) => {
  expect(problemsOf(services)).toEqual(expected);
});
