import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { FaultyProxy } from "../../helpers/faulty-proxy.ts";
import { eventually } from "../../helpers/temp-git.ts";

/** Says back what it hears. */
let echo: Server;
let proxy: FaultyProxy;
beforeAll(async () => {
  echo = createServer((socket) => socket.pipe(socket));
  const { promise, resolve } = Promise.withResolvers<void>();
  echo.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = echo.address();
  proxy = await FaultyProxy.start(typeof address === "object" && address !== null ? address.port : 0);
});
afterAll(async () => {
  await proxy.stop();
  echo.close();
});

class Caller {
  heard = "";
  state: "waiting" | "connected" | "closed" = "waiting";
  readonly #socket: Socket;
  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("connect", () => {
      this.state = "connected";
    });
    this.#socket.on("data", (bytes: Buffer) => {
      this.heard += String(bytes);
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.state = "closed";
    });
  }
  say(text: string): void {
    this.#socket.write(text);
  }
  hangUp(): void {
    this.#socket.destroy();
  }
}

describe("FaultyProxy", () => {
  test("passes bytes both ways and counts connections", async () => {
    const before = proxy.connections;
    const caller = new Caller(proxy.port);
    caller.say("x".repeat(200_000));
    expect(await eventually(() => caller.heard.length === 200_000)).toBe(true);
    expect(proxy.connections).toBe(before + 1);
    caller.hangUp();
    expect(await eventually(() => proxy.openConnections === 0)).toBe(true);
  });

  test("refuses on a closed port, drops what is open, and listens on the same port again", async () => {
    const open = new Caller(proxy.port);
    expect(await eventually(() => open.state === "connected")).toBe(true);
    await proxy.be("refuse");
    const refused = new Caller(proxy.port);
    expect(await eventually(() => open.state === "closed" && refused.state === "closed")).toBe(true);
    await proxy.be("pass");
    const caller = new Caller(proxy.port);
    caller.say("hello");
    expect(await eventually(() => caller.heard === "hello")).toBe(true);
    caller.hangUp();
  });

  test("hangs: accepts, says nothing, and goes on where it stopped", async () => {
    const early = new Caller(proxy.port);
    early.say("a");
    expect(await eventually(() => early.heard === "a")).toBe(true);
    await proxy.be("hang");
    const late = new Caller(proxy.port);
    early.say("b");
    late.say("c");
    expect(await eventually(() => late.state === "connected")).toBe(true);
    expect([early.heard, late.heard]).toEqual(["a", ""]);
    await proxy.be("pass");
    expect(await eventually(() => early.heard === "ab" && late.heard === "c")).toBe(true);
    early.hangUp();
    late.hangUp();
  });

  test("is slow: a byte, and a second later the next", async () => {
    await proxy.be("slow");
    const caller = new Caller(proxy.port);
    caller.say("abcdefghij");
    expect(await eventually(() => caller.heard.length >= 2, 60_000)).toBe(true);
    expect(caller.heard.length).toBeLessThan(10);
    await proxy.be("pass");
    expect(await eventually(() => caller.heard === "abcdefghij")).toBe(true);
    caller.hangUp();
  });

  test.each(["up", "down"] as const)(
    "dies after so many bytes %s, for whoever comes later too",
    async (direction) => {
      await proxy.dieAfter(direction, 3);
      const caller = new Caller(proxy.port);
      caller.say("hello");
      expect(await eventually(() => caller.state === "closed")).toBe(true);
      expect("hel".startsWith(caller.heard)).toBe(true);
      const late = new Caller(proxy.port);
      expect(await eventually(() => late.state === "closed")).toBe(true);
      await proxy.be("pass");
    },
  );

  test("swallows what comes after so many bytes of answers, and keeps the connection", async () => {
    await proxy.swallowAfter(3);
    const caller = new Caller(proxy.port);
    caller.say("hello");
    expect(await eventually(() => proxy.carried.up === 5 && proxy.carried.down === 5)).toBe(true);
    expect(await eventually(() => caller.heard === "hel")).toBe(true);
    expect(caller.state).toBe("connected");
    await proxy.be("pass");
    caller.hangUp();
  });

  test("cuts a connection after so many bytes of both directions", async () => {
    await proxy.cutAfter(7);
    const caller = new Caller(proxy.port);
    caller.say("hello");
    expect(await eventually(() => caller.state === "closed")).toBe(true);
    expect("hello".startsWith(caller.heard)).toBe(true);
    expect(caller.heard.length).toBeLessThanOrEqual(2);
    await proxy.be("pass");
  });
});
