import { describe, expect, test } from "bun:test";
import { parseServiceFile, parseServicesFile } from "../../../../src/fleet/settings/model.ts";

const read = (service: Record<string, unknown>) => parseServiceFile("web", { command: ["x"], ...service });
const problemsOf = (service: Record<string, unknown>): string[] => {
  const parsed = read(service);
  return parsed.ok ? [] : parsed.error.map(({ path, message }) => `${path.join(".")}: ${message}`);
};

describe("serviceSchema", () => {
  test("serviceSchema takes a whole number for a word, and nothing that YAML may have changed", () => {
    expect(read({ command: ["sleep", 1] })).toMatchObject({ ok: true, value: { command: ["sleep", "1"] } });
    expect(problemsOf({ command: ["app", 1.1] })).toEqual(["web.command.1: need text: put it in quotes"]);
    expect(problemsOf({ command: ["app", true] })).toEqual(["web.command.1: need text: put it in quotes"]);
  });

  test("serviceSchema writes out what is said short", () => {
    const parsed = read({
      env: { PORT: 80, DEBUG: true, NAME: "a" },
      env_file: "/etc/x.env",
      groups: "front",
      depends_on: ["db"],
      watch: "/srv/app",
      container: "nginx:1",
      listen: "[::1]:80",
      stop: { signal: "int" },
      limits: { memory: "1 MiB" },
      user: 33,
      probes: {
        startup: { http: "http://[::1]:80/x?y" },
        readiness: { tcp: 80 },
        liveness: { tcp: "db:5432", interval: "2s" },
      },
    });
    expect(parsed).toEqual({
      ok: true,
      value: {
        command: ["x"],
        env: { PORT: "80", DEBUG: "true", NAME: "a" },
        env_file: ["/etc/x.env"],
        groups: ["front"],
        depends_on: { db: "ready" },
        watch: { paths: ["/srv/app"] },
        container: { image: "nginx:1" },
        listen: [{ host: "::1", port: 80 }],
        stop: { signal: "SIGINT" },
        limits: { memory: 1024 ** 2 },
        user: "33",
        probes: {
          startup: { http: { host: "::1", port: 80, path: "/x?y" } },
          readiness: { tcp: { port: 80 } },
          liveness: { tcp: { host: "db", port: 5_432 }, interval: 2_000 },
        },
      },
    });
  });

  test.each<[Record<string, unknown>, string]>([
    [{ command: undefined }, "web: need a command"],
    [{ command: [] }, "web.command: need a program"],
    [{ command: ["./x"] }, "web.command: need an absolute path or the name of a program"],
    [{ command: ["bin/x"], cwd: "/srv" }, "web.command: need an absolute path or the name of a program"],
    [{ command: ["x", "a\0b"] }, "web.command.1: need text without NUL"],
    [{ command: "x | y" }, "web.command: a text is for a shell"],
    [{ shell: true }, "web.command: a list never meets a shell"],
    [{ command: " ", shell: true }, "web.command: need a program"],
    [{ stop: { command: "x" } }, "web.stop.command: a text is for a shell"],
    [{ cwd: "srv" }, "web.cwd: need an absolute path"],
    [{ env: { BUN_OPTIONS: "x" } }, "web.env.BUN_OPTIONS: the variable"],
    [{ env: { A: null } }, "web.env.A: need text"],
    [{ user: "a b" }, "web.user: need a name or a number"],
    [{ user: -1 }, "web.user: need a whole number"],
    [{ group: "../x" }, "web.group: need a name or a number"],
    [{ depends_on: { db: "up" } }, "web.depends_on.db: need started, ready, completed"],
    [{ instances: 0 }, "web.instances: need a whole number, 1 to 100"],
    [{ instances: 101 }, "web.instances: need a whole number, 1 to 100"],
    [{ restart: "sometimes" }, "web.restart: need one of no, on-failure"],
    [{ start_timeout: 0 }, "web.start_timeout: need more than 0"],
    [{ backoff: { first: "0s" } }, "web.backoff.first: need more than 0"],
    [{ limits: { memory: 1024 } }, "web.limits.memory: need at least 1 MiB"],
    [{ limits: { cpus: 0.001 } }, "web.limits.cpus: need a number of processors"],
    [{ limits: { pids: 0 } }, "web.limits.pids: need a whole number"],
    [{ listen: "localhost:80" }, "web.listen.0: need an IP address"],
    [{ listen: "80" }, "web.listen.0: Cannot read address"],
    [{ watch: true }, "web.watch: need cwd"],
    [{ zero_downtime: true }, "web.zero_downtime: need probes.readiness"],
    [{ probes: { readiness: {} } }, "web.probes.readiness: need exactly one of http, tcp"],
    [{ probes: { readiness: { tcp: 1, log: "x" } } }, "web.probes.readiness: need exactly one of"],
    [{ probes: { liveness: { log: "x" } } }, "web.probes: liveness cannot be a line of the log"],
    [{ probes: { readiness: { log: "(a+)+" } } }, "web.probes.readiness.log: it repeats what repeats"],
    [{ probes: { readiness: { exec: "true" } } }, "web.probes.readiness.exec: need a list"],
    [{ probes: { readiness: { http: "https://h/" } } }, "web.probes.readiness.http: need http://ADDRESS"],
    [{ probes: { readiness: { http: "http://u@h/" } } }, "web.probes.readiness.http: need http://ADDRESS"],
    [
      { probes: { readiness: { http: { port: 1, headers: { "a\n": "b" } } } } },
      "web.probes.readiness.http.headers.a\n: need the name of a header",
    ],
    [
      { probes: { readiness: { http: { port: 1, headers: { a: "b\r\nc: d" } } } } },
      "web.probes.readiness.http.headers.a: need one line",
    ],
    [{ probes: { readiness: { tcp: 1, interval: 0 } } }, "web.probes.readiness: need an interval"],
    [{ container: { image: "x; rm" } }, "web.container.image: need the name of an image"],
  ])("serviceSchema refuses %j", (service, problem) => {
    expect(problemsOf(service).join("\n")).toContain(problem);
  });

  test("serviceSchema refuses a service that is no table, and a name that is none", () => {
    expect(parseServiceFile("web", ["x"]).ok).toBe(false);
    expect(parseServiceFile("Web", { command: ["x"] }).ok).toBe(false);
    expect(parseServiceFile("__proto__", { command: ["x"] }).ok).toBe(false);
  });

  test("serviceSchema reads a service that is called like what every object has", () => {
    const parsed = parseServicesFile({ services: { constructor: { command: ["x"] } } });
    expect(parsed.ok && Object.keys(parsed.value)).toEqual(["constructor"]);
  });
});
