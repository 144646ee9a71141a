import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT_CODES, FleetError } from "../../../src/base/errors.ts";
import { type ControlClient, createControlClient } from "../../../src/http/client/control-client.ts";
import { type DaemonStatus, PATHS, REQUEST_BYTES_MAX, type SendCall } from "../../../src/http/protocol.ts";
import {
  type ControlHandlers,
  type ControlServer,
  startControlServer,
} from "../../../src/http/server/control-server.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-http-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STATUS: DaemonStatus = {
  pid: 12,
  version: "1.2.3",
  server: "code1",
  startedWallMs: 1,
  revision: 2,
  lastFetchWallMs: null,
  lastPushWallMs: 3,
  trouble: "\u001b[31mhostile ü",
  autoReplies: 4,
  remote: {
    down: { why: "\u001b[31mhostile ü", sinceWallMs: 1 },
    breaker: {
      state: "open",
      failures: 0,
      sinceWallMs: 1,
      refusesForMs: 2,
      causes: ["away"],
      counts: { admitted: 5, succeeded: 0, failed: 5, excluded: 0, lost: 0, rejected: 1 },
    },
    check: null,
    cycles: { succeeded: 0, failed: 5 },
    pushBudget: { holds: false, waitMs: 0 },
    heartbeats: 0,
  },
  holdsMachine: true,
  health: null,
  clockJump: null,
};
const TAKEN = { id: "m", isNew: true, server: "code1", unknown: [] };
const SEND: SendCall = { to: ["code2"], body: "ü \u0000 \u2028", subject: "s", labels: { a: "b" } };

let count = 0;
let path = "";
let server: ControlServer | null = null;
let client: ControlClient;
beforeEach(() => {
  count += 1;
  path = join(folder, `${count}.sock`);
  client = createControlClient(path);
});
afterEach(async () => {
  await server?.stop();
  server = null;
});

/** Starts a server that answers with what a test needs; anything else is a failure of the test. */
function start(handlers: Partial<ControlHandlers>): void {
  const unexpected = (): never => {
    throw new Error("unexpected call");
  };
  const none: ControlHandlers = {
    status: unexpected,
    send: unexpected,
    mark: unexpected,
    changes: unexpected,
    reload: unexpected,
    reexec: unexpected,
    push: unexpected,
    secondInstance: unexpected,
    services: {
      list: unexpected,
      detail: unexpected,
      act: unexpected,
      give: unexpected,
      adopt: unexpected,
      replace: unexpected,
    },
  };
  server = startControlServer(path, { ...none, ...handlers });
}

const raw = (url: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://fleetd${url}`, { unix: path, ...init });
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.catch((thrown: unknown) => thrown);

describe("a call", () => {
  test("of each kind arrives as it was made, and so does its answer", async () => {
    const seen: unknown[] = [];
    start({
      status: () => STATUS,
      send: (call) => {
        seen.push(call);
        return Promise.resolve(TAKEN);
      },
      mark: (call) => {
        seen.push(call);
        return { changed: false };
      },
      changes: (call) => {
        seen.push(call);
        return Promise.resolve({ revision: 9, down: null });
      },
      secondInstance: (call) => {
        seen.push(call);
        return { pid: 12 };
      },
    });
    expect(await client.status()).toEqual(STATUS);
    expect(await client.send(SEND)).toEqual(TAKEN);
    expect(await client.mark({ from: "code2", id: "m", state: "acked" })).toEqual({ changed: false });
    const { signal } = new AbortController();
    expect(await client.changes({ since: 3, timeoutMs: 1000 }, signal)).toEqual({ revision: 9, down: null });
    const second = { pid: 3, argv: ["monitor", "\u001b[2J"], cwd: "/" };
    expect(await client.secondInstance(second, 10_000)).toEqual({ pid: 12 });
    const marked = { from: "code2", id: "m", state: "acked" };
    expect(seen).toEqual([SEND, marked, { since: 3, timeoutMs: 1000 }, second]);
  });

  test("with the largest body there can be arrives whole", async () => {
    start({ send: (call) => Promise.resolve({ ...TAKEN, id: String(call.body.length) }) });
    expect(await client.send({ ...SEND, body: "\u0001".repeat(256 * 1024) })).toMatchObject({ id: "262144" });
  });

  test("of a daemon that is stuck is waited for no longer than the caller wants to wait", async () => {
    const stuck = Promise.withResolvers<typeof TAKEN>();
    start({ send: () => stuck.promise });
    const first = client.send(SEND);
    const hurried = await caught(client.send(SEND, 1));
    expect(hurried).toMatchObject({ code: "UNAVAILABLE" });
    stuck.resolve(TAKEN);
    expect(await first).toEqual(TAKEN);
  });

  test("of several clients at once gets the answer that belongs to it", async () => {
    start({ send: (call) => Promise.resolve({ ...TAKEN, id: call.body }) });
    const bodies = Array.from({ length: 30 }, (_, index) => `body ${index}`);
    const answers = await Promise.all(bodies.map((body) => client.send({ ...SEND, body })));
    expect(answers.map((answer) => answer.id)).toEqual(bodies);
  });
});

describe("an error", () => {
  test.each(Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[])(
    "of the daemon with code %s arrives as it was",
    async (code) => {
      start({
        send: () => Promise.reject(new FleetError(code, `Cannot send: ${code}`)),
      });
      expect(await caught(client.send(SEND))).toMatchObject({
        name: "FleetError",
        code,
        message: `Cannot send: ${code}`,
      });
    },
  );

  test("brings its next step with it, where it has one", async () => {
    start({ send: () => Promise.reject(new FleetError("BAD_INPUT", "no", { hint: "do x" })) });
    expect(await caught(client.send(SEND))).toMatchObject({ message: "no", hint: "do x" });
  });

  test("that is a bug of the daemon is INTERNAL, and the daemon goes on", async () => {
    start({
      mark: () => {
        throw new TypeError("odd");
      },
      status: () => STATUS,
    });
    const marked = client.mark({ from: "a", id: "b", state: "read" });
    expect(await caught(marked)).toMatchObject({ code: "INTERNAL", message: "odd" });
    expect(await client.status()).toEqual(STATUS);
  });

  test.each([
    ["USAGE", 400],
    ["BAD_INPUT", 422],
    ["NOT_AUTHORISED", 403],
    ["UNAVAILABLE", 503],
    ["IO", 500],
  ] as const)("with code %s has HTTP status %d", async (code, status) => {
    start({ send: () => Promise.reject(new FleetError(code, "no")) });
    const response = await raw(PATHS.send, { method: "POST", body: JSON.stringify(SEND) });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: { code, message: "no" } });
  });

  test.each([
    ["no JSON", "{", "not JSON"],
    ["nothing", "", "not JSON"],
    ["a wrong shape", '{"to":1}', "to: "],
  ])("answers %s with 422 and BAD_INPUT", async (_, body, words) => {
    start({});
    const response = await raw(PATHS.send, { method: "POST", body });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      error: { code: "BAD_INPUT", message: expect.stringContaining(words) },
    });
  });

  test.each([
    ["a path of another version", "/v2/send", "POST"],
    ["a wrong method", PATHS.send, "GET"],
    ["a wrong method", PATHS.status, "POST"],
    ["the root", "/", "GET"],
  ])("answers %s with 400 and USAGE", async (_, url, method) => {
    start({});
    const response = await raw(url, { method });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "USAGE" } });
  });

  test("answers a request over its size with BAD_INPUT", async () => {
    start({});
    const sent = client.send({ ...SEND, body: "x".repeat(REQUEST_BYTES_MAX) });
    expect(await caught(sent)).toMatchObject({ code: "BAD_INPUT" });
  });
});

describe("a daemon that is not there", () => {
  test("is UNAVAILABLE when there is no socket", async () => {
    expect(await caught(client.status())).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("is UNAVAILABLE after it stopped", async () => {
    start({ status: () => STATUS });
    await client.status();
    await server?.stop();
    expect(await caught(client.status())).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("is UNAVAILABLE when it stops before its answer", async () => {
    const called = Promise.withResolvers<void>();
    start({
      send: () => {
        called.resolve();
        return new Promise(() => undefined);
      },
    });
    const sent = caught(client.send(SEND));
    await called.promise;
    await server?.stop();
    expect(await sent).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("is UNAVAILABLE when it dies in the middle of its answer", async () => {
    const dying = await listenRaw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"pid":');
    expect(await caught(client.status())).toMatchObject({ code: "UNAVAILABLE" });
    dying.close();
  });

  test("is INTERNAL when it says what nobody understands", async () => {
    const body = '{"error":{"code":"toString","message":"m"}}';
    const odd = await listenRaw(`HTTP/1.1 500 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await caught(client.status())).toMatchObject({ code: "INTERNAL", message: "m" });
    odd.close();
  });
});

describe("changes", () => {
  test("ends as soon as the caller aborts", async () => {
    const called = Promise.withResolvers<void>();
    start({
      push: () => {
        throw new Error("not expected");
      },
      changes: () => {
        called.resolve();
        return new Promise(() => undefined);
      },
    });
    const stop = new AbortController();
    const waited = caught(client.changes({ since: 1, timeoutMs: 60_000 }, stop.signal));
    await called.promise;
    stop.abort();
    expect(await waited).toBeInstanceOf(Error);
  });

  test("refuses to keep somebody waiting for longer than it may", async () => {
    start({});
    const { signal } = new AbortController();
    expect(await caught(client.changes({ since: 1, timeoutMs: 60_001 }, signal))).toMatchObject({
      code: "BAD_INPUT",
    });
  });
});

/** A server on the socket that sends these bytes to whoever asks, and hangs up. */
async function listenRaw(answer: string): Promise<Server> {
  const listening = Promise.withResolvers<void>();
  const made = createServer((socket) => {
    socket.once("data", () => socket.end(answer));
    socket.on("error", () => undefined);
  });
  made.listen(path, listening.resolve);
  await listening.promise;
  return made;
}
