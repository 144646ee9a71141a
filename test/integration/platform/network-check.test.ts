import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import type { NetworkReport } from "../../../src/base/ports/network-check.ts";
import { parseRemoteAddress } from "../../../src/platform/git/remote-address.ts";
import { endpointOf } from "../../../src/platform/git/remote-endpoint.ts";
import { askSshRoute, parseSshRoute } from "../../../src/platform/git/ssh-route.ts";
import { openNetworkCheck } from "../../../src/platform/network-check.ts";
import { TempGit } from "../../helpers/temp-git.ts";

const temp = new TempGit();
const store = temp.bare();
let silent: Server;
let port = 0;
beforeAll(async () => {
  silent = createServer((socket) => socket.on("error", () => undefined));
  const listening = Promise.withResolvers<void>();
  silent.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = silent.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(() => {
  silent.close();
  temp.remove();
});

const check = (
  url: string,
  more: { env?: Record<string, string>; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<NetworkReport> =>
  openNetworkCheck({
    url,
    storeFolder: store,
    environment: { ...temp.environment, ...more.env },
  }).check({ timeoutMs: more.timeoutMs ?? 60_000, signal: more.signal ?? new AbortController().signal });
const stagesOf = (report: NetworkReport): unknown[] => report.stages.map(({ name, ok }) => [name, ok]);

describe("endpointOf()", () => {
  test.each([
    [
      "https://bob:s3cret@host.example/a.git",
      { host: "host.example", port: 443, user: "bob", kind: "https" },
    ],
    ["http://host.example:8080/a.git", { host: "host.example", port: 8080, user: null, kind: "http" }],
    ["git://[::1]:9999/a.git", { host: "::1", port: 9999, user: null, kind: "git" }],
    ["git://host.example/a.git", { host: "host.example", port: 9418, user: null, kind: "git" }],
    ["ssh://git@host.example:2222/a.git", { host: "host.example", port: 2222, user: "git", kind: "ssh" }],
    ["ssh://alias/a.git", { host: "alias", port: null, user: null, kind: "ssh" }],
    ["git@host.example:a.git", { host: "host.example", port: null, user: "git", kind: "ssh" }],
    ["git@[::1]:a.git", { host: "::1", port: null, user: "git", kind: "ssh" }],
  ])("of %s", (url, expected) => {
    expect(endpointOf(parseRemoteAddress(url))).toEqual(expected as ReturnType<typeof endpointOf>);
  });

  test.each(["/srv/a.git", "file:///srv/a.git", "foo::bar"])("of %s is null", (url) => {
    expect(endpointOf(parseRemoteAddress(url))).toBeNull();
  });
});

describe("parseSshRoute()", () => {
  test("takes host and port as ssh has worked them out", () => {
    const text = "user git\nhostname real.example\nport 2222\nproxycommand none\n";
    expect(parseSshRoute(text)).toEqual({ kind: "direct", host: "real.example", port: 2222 });
  });

  test.each(["proxyjump bastion", "proxycommand nc %h %p"])("knows nothing with %s", (line) => {
    expect(parseSshRoute(`hostname h\nport 22\n${line}\n`)).toMatchObject({ kind: "unknown" });
  });

  test("knows nothing of an answer without them", () => {
    expect(parseSshRoute("")).toMatchObject({ kind: "unknown" });
  });

  test("askSshRoute() asks no command that is not OpenSSH", async () => {
    const endpoint = { host: "h", port: null, user: null, kind: "ssh" } as const;
    for (const env of [{ GIT_SSH_COMMAND: "plink -batch" }, { GIT_SSH: "/usr/bin/ssh" }]) {
      expect(await askSshRoute(endpoint, env)).toMatchObject({ kind: "unknown" });
    }
  });
});

describe("check()", () => {
  test("of a host that listens goes through name and connection, with times", async () => {
    const report = await check(`git://127.0.0.1:${port}/a.git`);
    expect(report).toMatchObject({ ok: true, skipped: null, failure: null, target: `127.0.0.1:${port}` });
    expect(stagesOf(report)).toEqual([
      ["dns", true],
      ["tcp", true],
    ]);
    for (const stage of report.stages) expect(stage.durationMs).toBeGreaterThanOrEqual(0);
  });

  test("of a port that nobody listens on says so", async () => {
    const report = await check("git://127.0.0.1:1/a.git");
    expect(report.failure).toBe("Cannot connect to 127.0.0.1:1: connection refused");
    expect(stagesOf(report).at(-1)).toEqual(["tcp", false]);
  });

  test("of a name that is none says so", async () => {
    const report = await check("git://no-such-host.invalid/a.git");
    expect(report.failure).toStartWith('Cannot find "no-such-host.invalid": ');
    expect(stagesOf(report)).toEqual([["dns", false]]);
  });

  test("of https ends with TLS, and a host that says nothing fails there at the timeout", async () => {
    // Long enough for name and connection on a machine with much else to do.
    const report = await check(`https://127.0.0.1:${port}/a.git`, { timeoutMs: 3_000 });
    expect(report.failure).toBe(`Cannot speak TLS with 127.0.0.1:${port}: no answer within 3000 ms`);
    expect(stagesOf(report)).toEqual([
      ["dns", true],
      ["tcp", true],
      ["tls", false],
    ]);
  });

  test("ends at once with its signal", async () => {
    const stop = new AbortController();
    const checked = check(`https://127.0.0.1:${port}/a.git`, { timeoutMs: 60_000, signal: stop.signal });
    stop.abort();
    expect((await checked).ok).toBe(false);
  });

  test("of a folder looks whether it is a repository", async () => {
    expect(await check(store)).toMatchObject({ ok: true, stages: [{ name: "folder", ok: true }] });
    expect(await check(`${store}-gone`)).toMatchObject({
      ok: false,
      stages: [{ name: "folder", ok: false }],
    });
  });

  test("is skipped where a proxy is configured, by the environment or by git", async () => {
    const url = `http://127.0.0.1:${port}/a.git`;
    for (const name of ["http_proxy", "HTTPS_PROXY", "all_proxy"]) {
      expect(await check(url, { env: { [name]: "http://127.0.0.1:1" } })).toMatchObject({
        ok: true,
        stages: [],
      });
    }
    temp.git(store, "config", "http.proxy", "http://127.0.0.1:1");
    expect((await check(url)).skipped).toContain("proxy");
    temp.git(store, "config", "--unset", "http.proxy");
    expect((await check(url)).skipped).toBeNull();
  });

  test("is skipped where git rewrites the address", async () => {
    temp.git(store, "config", "url.http://elsewhere.example/.insteadOf", "git://fleet/");
    expect((await check("git://fleet/a.git")).skipped).toContain("insteadOf");
    expect((await check(`git://127.0.0.1:${port}/a.git`)).skipped).toBeNull();
  });
});
