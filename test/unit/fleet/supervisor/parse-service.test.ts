import { expect, test } from "bun:test";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import {
  parseServiceDefinition,
  parseServiceDefinitions,
} from "../../../../src/fleet/supervisor/parse-service.ts";

const defaults = DEFAULT_SETTINGS.supervisor;

test("parseServiceDefinition() reads what came as JSON by the rules of the file", () => {
  const parsed = parseServiceDefinition("web", { command: ["x"], instances: 2 }, defaults);
  expect(parsed.ok && [parsed.value.name, parsed.value.instances]).toEqual(["web", 2]);
});

test("parseServiceDefinition() names every issue, from the name on", () => {
  const parsed = parseServiceDefinition("web", { command: ["x"], instances: 0, cmd: 1 }, defaults);
  expect(
    parsed.ok ? [] : parsed.error.map(({ path, isUnknownKey }) => [path.join("."), isUnknownKey]),
  ).toEqual([
    ["web.instances", false],
    ["web.cmd", true],
  ]);
});

test("parseServiceDefinitions() reads a file of services, and nothing else beside them", () => {
  const parsed = parseServiceDefinitions(
    { services: { a: { command: ["x"] }, b: { command: ["y"] } } },
    defaults,
  );
  expect(parsed.ok && parsed.value.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(parseServiceDefinitions({ services: {}, interval: 5 }, defaults).ok).toBe(false);
  expect(parseServiceDefinitions({}, defaults).ok).toBe(false);
  expect(parseServiceDefinitions([], defaults).ok).toBe(false);
});
