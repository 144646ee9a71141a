import { describe, expect, test } from "bun:test";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { parseServiceFile } from "../../../../src/fleet/settings/model.ts";
import type { ServiceDefinition } from "../../../../src/fleet/supervisor/model.ts";
import { resolveService, resolveServices } from "../../../../src/fleet/supervisor/resolve-service.ts";

function resolve(service: Record<string, unknown>): ServiceDefinition {
  const parsed = parseServiceFile("web", { command: ["x"], ...service });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return resolveService("web", parsed.value, DEFAULT_SETTINGS.supervisor);
}

describe("resolveService()", () => {
  test("resolveService() has a value for everything that a file leaves out", () => {
    expect(resolve({})).toEqual({
      name: "web",
      command: { words: ["x"], shell: false },
      cwd: null,
      env: {},
      envFiles: [],
      user: null,
      group: null,
      dependsOn: [],
      groups: [],
      instances: 1,
      restart: "on-failure",
      pacing: {
        firstMs: 500,
        longestMs: 60_000,
        stableMs: 10_000,
        failures: 5,
        withinMs: 60_000,
        slowMs: 300_000,
      },
      stop: { command: null, signal: "SIGTERM", to: "group", timeoutMs: 10_000 },
      startTimeoutMs: 60_000,
      limits: { memoryBytes: null, cpus: null, pids: null },
      watch: null,
      probes: { startup: null, readiness: null, liveness: null },
      listen: [],
      logs: {
        fileBytes: 10 * 1024 ** 2,
        keepMs: 14 * 86_400_000,
        totalBytes: 100 * 1024 ** 2,
        linesPerSecond: 10_000,
      },
      container: null,
      enabled: true,
      zeroDowntime: false,
    });
  });

  test("resolveService() takes what the file says before what holds for the machine", () => {
    const web = resolve({
      command: "a | b",
      shell: "yes",
      stop: { command: ["y"], timeout: "3s", to: "main" },
      backoff: { first: "1s", failures: 2 },
      logs: { rate: 0 },
      limits: { memory: "2 MiB", cpus: 0.5, pids: 7 },
      watch: ["/a"],
      container: "i",
      enabled: false,
    });
    expect(web).toMatchObject({
      command: { words: ["a | b"], shell: true },
      stop: { command: { words: ["y"], shell: false }, timeoutMs: 3_000, to: "main" },
      pacing: { firstMs: 1_000, longestMs: 60_000, failures: 2 },
      logs: { linesPerSecond: 0 },
      limits: { memoryBytes: 2 * 1024 ** 2, cpus: 0.5, pids: 7 },
      watch: { paths: ["/a"], ignore: [], debounceMs: 500 },
      container: { image: "i", pull: "missing", ports: [], volumes: [], network: null },
      enabled: false,
    });
  });

  test("resolveService() gives each way of asking its target", () => {
    const { probes } = resolve({
      probes: {
        startup: { http: { port: 80, status: 204 } },
        readiness: { log: "ready" },
        liveness: { notify: true },
      },
    });
    expect(probes.startup?.target).toEqual({
      kind: "http",
      host: "127.0.0.1",
      port: 80,
      path: "/",
      statuses: [204],
      headers: {},
    });
    expect(probes.readiness?.target).toEqual({ kind: "log", pattern: "ready" });
    expect(probes.liveness?.target).toEqual({ kind: "notify" });
    expect(resolve({ probes: { readiness: { exec: ["a"] } } }).probes.readiness?.target).toEqual({
      kind: "exec",
      command: ["a"],
    });
  });

  test("resolveService() lets a startup probe fail for as long as a start may take", () => {
    const startup = { tcp: 1, interval: "3s" };
    expect(resolve({ start_timeout: "10s", probes: { startup } }).probes.startup?.failures).toBe(4);
    expect(resolve({ probes: { startup: { ...startup, failures: 2 } } }).probes.startup?.failures).toBe(2);
  });
});

test("resolveServices() keeps the order of the file", () => {
  const services = { b: { command: ["x"] }, a: { command: ["y"] } };
  const resolved = resolveServices({ services, supervisor: DEFAULT_SETTINGS.supervisor });
  expect(resolved.map(({ name }) => name)).toEqual(["b", "a"]);
});
