// A remote over HTTP that answers, and not as one would like: too many requests, out of service, not authorised.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe as describeAll, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { type GitServer, startHttpServer } from "../helpers/git-servers.ts";
import { FLEETD } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const INTERVAL_MS = 100;
const OPEN_MS = 2_000;
const SETTINGS = `
interval: ${INTERVAL_MS}ms
retry: {retries: 1, first: 20ms, longest: 80ms, limited: 3s}
breaker: {failures: 3, open_for: ${OPEN_MS}ms, successes: 1}
`;
const WITHIN_MS = 60_000;
const TIMEOUT_MS = 120_000;
const PASSWORD = "right";

/** What the host does with a request. */
let instead: (request: Request) => Response | null = () => null;
/** When each request came, monotonic ms. */
let requests: number[] = [];
let password = PASSWORD;
let sandbox: FleetSandbox;
let server: GitServer;
beforeEach(async () => {
  sandbox = new FleetSandbox(SETTINGS);
  sandbox.temp.git(sandbox.remote, "config", "http.receivepack", "true");
  instead = () => null;
  password = PASSWORD;
  server = startHttpServer(sandbox.temp, null, (request) => {
    requests.push(performance.now());
    return instead(request);
  });
  sandbox.address = server.url + sandbox.remote.slice(sandbox.remote.lastIndexOf("/"));
  instead = askPassword;
  writeFileSync(`${sandbox.temp.home}/.gitconfig`, "[credential]\n\thelper = store\n");
  storePassword(PASSWORD);
  for (const name of ["a", "b"]) await sandbox.init(name);
  requests = [];
}, TIMEOUT_MS);
afterEach(async () => {
  await sandbox.close();
  await server.stop();
}, TIMEOUT_MS);

const storePassword = (word: string): void =>
  writeFileSync(`${sandbox.temp.home}/.git-credentials`, `http://bob:${word}@127.0.0.1%3a${server.port}\n`);

function askPassword(request: Request): Response | null {
  if (request.headers.get("authorization") === `Basic ${btoa(`bob:${password}`)}`) return null;
  return new Response("no", { status: 401, headers: { "www-authenticate": 'Basic realm="git"' } });
}

const isThere = (body: string): boolean => readLogs(sandbox).some((entry) => entry.body === body);

async function judgeAll(): Promise<void> {
  instead = () => null;
  expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
}

async function statusPage(): Promise<string> {
  return (await sandbox.run("a", ["status"])).stdout.replaceAll(/\s+/g, " ");
}

async function untilStatus(text: string): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  for (let page = ""; !page.includes(text); page = await statusPage()) {
    if (performance.now() > deadlineMs) throw new Error(`"${text}" did not come: ${page}`);
  }
}

describe("a host that answers 429", () => {
  const header: Record<string, () => string> = {
    "in seconds": () => "3",
    "as a date": () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_000).toUTCString(),
  };

  test.each([
    ["in seconds", "fetch"],
    ["as a date", "push"],
  ] as const)(
    "and says %s when to come again is asked nothing before that, and everything arrives then",
    async (form, first) => {
      const monitor = await sandbox.monitor("a");
      const word = header[form]?.() ?? "";
      let limitedMs = 0;
      instead = (request) => {
        // A push is found out by git alone, a look by fleetd itself.
        if (first === "push" && limitedMs === 0 && !request.url.includes("receive-pack")) return null;
        limitedMs = limitedMs === 0 ? performance.now() : limitedMs;
        return new Response("slow down", { status: 429, headers: { "retry-after": word } });
      };
      const sent = await sandbox.send("a", { to: "b", more: ["--timeout", "1"] });
      expect(sent.exitCode).toBe(75);
      await untilStatus("it is left alone for");
      const before = requests.length;
      const again = await sandbox.send("a", { to: "b" });
      expect(again).toMatchObject({ exitCode: 75, stderr: expect.stringContaining("429") });
      const until = form === "in seconds" ? limitedMs + 3_000 : limitedMs + 2_000;
      expect(await eventually(() => requests.length > before, WITHIN_MS)).toBe(true);
      expect(requests[before] ?? 0).toBeGreaterThan(until - 50);
      instead = () => null;
      const last = sandbox.nextBody("a");
      await sandbox.startSend("a", { to: "b", body: last, more: ["--timeout", "60"] }).ended;
      expect(isThere(last)).toBe(true);
      await monitor.stop();
      await judgeAll();
    },
    TIMEOUT_MS,
  );
});

describe("a host that answers 503", () => {
  test(
    "is tried again by itself, and nothing is held against a message",
    async () => {
      const monitor = await sandbox.monitor("a");
      instead = () => new Response("down for maintenance", { status: 503 });
      const sent = await sandbox.send("a", { to: "b" });
      expect(sent.exitCode).toBe(75);
      await untilStatus("503");
      instead = () => null;
      const last = await sandbox.send("a", { to: "b", more: ["--timeout", "60"] });
      expect(last.exitCode).toBe(0);
      await monitor.stop();
      await judgeAll();
    },
    TIMEOUT_MS,
  );
});

describe("a host that does not let this server in", () => {
  type Denial = readonly [name: string, denies: (request: Request) => Response | null];
  const forbidden = (): Response => new Response("no", { status: 403 });
  const denials: readonly Denial[] = [
    ["a password that is wrong", askPassword],
    ["403 for everything", forbidden],
    [
      "403 for pushes",
      (request) => (request.url.includes("receive-pack") ? forbidden() : askPassword(request)),
    ],
  ];

  test.each([...denials])(
    "(%s) is asked ever less often, answers 77, and the queue goes once it does",
    async (name, denies) => {
      const monitor = await sandbox.monitor("a");
      password = name.includes("password") ? "another" : PASSWORD;
      instead = denies;
      const first = await sandbox.send("a", { to: "b" });
      expect(first).toMatchObject({ exitCode: 77, stdout: expect.stringContaining('"state":"queued"') });
      const known = await sandbox.send("a", { to: "b" });
      expect(known).toMatchObject({
        exitCode: 77,
        stderr: expect.stringContaining("does not let this server in"),
      });
      const pushes = () => deniedPushes;
      let deniedPushes = 0;
      instead = (request) => {
        const answer = denies(request);
        if (answer !== null) deniedPushes += 1;
        return answer;
      };
      const watchedMs = performance.now();
      await Bun.sleep(20 * INTERVAL_MS);
      const tookMs = performance.now() - watchedMs;
      // Each try is up to three requests: fleetd's own, git's, and git's with a password.
      const allowed = 3 * (6 + tookMs / OPEN_MS) * 2;
      console.log(
        `${name}: ${pushes()} requests were denied in ${Math.round(tookMs)} ms, at most ${Math.round(allowed)} allowed`,
      );
      expect(pushes()).toBeLessThanOrEqual(allowed);
      password = PASSWORD;
      storePassword(PASSWORD);
      instead = askPassword;
      expect(await eventually(() => sandbox.sends.every((one) => isThere(one.body)), WITHIN_MS)).toBe(true);
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "60"] })).exitCode).toBe(0);
      await monitor.stop();
      await judgeAll();
    },
    TIMEOUT_MS,
  );

  test(
    "and a terminal: a send without a daemon asks nobody for anything and answers 77",
    async () => {
      password = "another";
      const marker = `${sandbox.folder}/asked`;
      const asker = `${sandbox.folder}/ask`;
      writeFileSync(asker, `#!/bin/sh\ntouch '${marker}'\necho wrong\n`, { mode: 0o755 });
      let shown = "";
      const child = Bun.spawn([FLEETD, "send", "anybody there", "--to", "b", "--timeout", "60"], {
        env: {
          HOME: sandbox.temp.home,
          PATH: process.env["PATH"] ?? "",
          FLEETD_HOME: `${sandbox.folder}/servers/a`,
          FLEETD_CONFIG: `${sandbox.folder}/fleetd.yaml`,
          GIT_ASKPASS: asker,
          SSH_ASKPASS: asker,
          SSH_ASKPASS_REQUIRE: "force",
          DISPLAY: ":7",
        },
        terminal: {
          cols: 120,
          rows: 24,
          data: (_, bytes) => {
            shown += Buffer.from(bytes).toString();
          },
        },
      });
      const code = await child.exited;
      expect({ code, shown }).toMatchObject({ code: 77, shown: expect.stringContaining("it is safe here") });
      expect(shown).not.toMatch(/password for|username for/i);
      expect(existsSync(marker)).toBe(false);
      expect(readFileSync(`${sandbox.temp.home}/.git-credentials`, "utf8")).not.toContain("wrong");
      storePassword(PASSWORD);
      password = PASSWORD;
      expect((await sandbox.send("a", { to: "b" })).exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );
});
