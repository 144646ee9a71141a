import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import type { ProbeAnswer, ProbeQuestion, Prober } from "../../../src/base/ports/prober.ts";
import { freePort } from "../../helpers/free-port.ts";

/** A wait that a test is not about. */
const PATIENCE_MS = 30_000;
/** A wait that is to end. */
const SHORT_MS = 500;
/** `detail` is shown to people as one line. */
const DETAIL_LENGTH_MAX = 400;
const ANSWER = "HTTP/1.1 200 OK\r\n";

type Http = Extract<ProbeQuestion, { kind: "http" }>;

/** What everybody may expect of a `Prober` that asks real servers, however they behave. */
export function proberContract(name: string, prober: Prober): void {
  describe(`Prober: ${name}`, () => {
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      for (const server of servers.splice(0)) server.close();
    });

    /** Serves as `behave` says, and answers the port. */
    const serve = async (behave: (socket: Socket) => void): Promise<number> => {
      const server = createServer((socket) => {
        sockets.add(socket);
        // Whoever asks hangs up when it likes.
        socket.on("error", () => socket.destroy());
        behave(socket);
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    };
    const http = (port: number, rest: Partial<Http> = {}): Http => ({
      kind: "http",
      host: "127.0.0.1",
      port,
      path: "/",
      headers: {},
      statuses: null,
      ...rest,
    });
    const ask = (question: ProbeQuestion, timeoutMs = PATIENCE_MS): Promise<ProbeAnswer> =>
      prober.ask(question, timeoutMs, new AbortController().signal);
    /** A server that says `words` as soon as it was asked. */
    const says = (words: string): Promise<number> =>
      serve((socket) => socket.once("data", () => socket.end(words)));

    test.each([
      [200, true],
      [204, true],
      [302, true],
      [399, true],
      [400, false],
      [404, false],
      [500, false],
      [503, false],
    ] as const)("http: %d is well: %p", async (status, isWell) => {
      const port = await says(`HTTP/1.1 ${status} Word\r\ncontent-length: 0\r\n\r\n`);
      expect(await ask(http(port))).toEqual({ isWell, detail: `HTTP ${status} Word` });
    });

    test.each(["http", "tcp"] as const)("%s: who is asked sees an end, and is not cut off", async (kind) => {
      const seen: string[] = [];
      const port = await serve((socket) => {
        socket.on("error", ({ message }) => seen.push(message));
        socket.on("end", () => seen.push("end"));
        socket.on("close", () => seen.push("close"));
        // Much of it is still on its way when the first line is known.
        const body = `${ANSWER}connection: close\r\n\r\n${"x".repeat(100_000)}`;
        if (kind === "tcp") socket.write("220 at your service\r\n");
        else socket.once("data", () => socket.end(body));
      });
      const answer = await ask(kind === "tcp" ? { kind, host: "127.0.0.1", port } : http(port));
      expect(answer.isWell).toBe(true);
      while (!seen.includes("close")) await Bun.sleep(5);
      expect(seen).toEqual(["end", "close"]);
    });

    test("http: statuses that were named are the only ones that are well", async () => {
      const port = await says("HTTP/1.1 418 I'm a teapot\r\n\r\n");
      expect((await ask(http(port, { statuses: [418] }))).isWell).toBe(true);
      expect((await ask(http(port, { statuses: [200, 204] }))).isWell).toBe(false);
    });

    test("http: a redirect is not followed, wherever it leads", async () => {
      let isFollowed = false;
      const trap = await serve(() => {
        isFollowed = true;
      });
      const port = await says(`HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:${trap}/\r\n\r\n`);
      expect(await ask(http(port))).toEqual({ isWell: true, detail: "HTTP 301 Moved" });
      expect(isFollowed).toBe(false);
    });

    test("http: path, host and headers are sent as they were given, each once", async () => {
      let heard = "";
      const port = await serve((socket) =>
        socket.on("data", (bytes) => {
          heard += bytes.toString("latin1");
          if (heard.endsWith("\r\n\r\n")) socket.end(`${ANSWER}\r\n`);
        }),
      );
      await ask(http(port, { path: "/health?a=b%20c", headers: { "X-Key": "k", host: "example.invalid" } }));
      const [first, ...headers] = heard.trimEnd().split("\r\n");
      expect(first).toBe("GET /health?a=b%20c HTTP/1.1");
      expect(headers).toContain("X-Key: k");
      expect(headers.filter((line) => /^host:/i.test(line))).toEqual(["host: example.invalid"]);
    });

    test.each(["http", "tcp"] as const)("%s: where nobody listens it is not well", async (kind) => {
      const port = await freePort();
      const question: ProbeQuestion = kind === "http" ? http(port) : { kind, host: "127.0.0.1", port };
      const { isWell, detail } = await ask(question);
      expect(isWell).toBe(false);
      expect(detail).not.toBe("");
    });

    test("tcp: who takes a connection is well, though it says nothing, or hangs up", async () => {
      for (const behave of [() => undefined, (socket: Socket) => void socket.destroy()]) {
        const port = await serve(behave);
        expect(await ask({ kind: "tcp", host: "127.0.0.1", port })).toMatchObject({ isWell: true });
      }
    });

    test.each([
      ["nothing", ""],
      ["half a line", "HTTP/1.1 2"],
    ])("http: a server that says %s and then keeps silent is given up", async (_name, words) => {
      const port = await serve((socket) => socket.once("data", () => socket.write(words)));
      expect(await ask(http(port), SHORT_MS)).toEqual({ isWell: false, detail: "no answer within 500 ms" });
    });

    test("http: a server that drips a byte now and then is given up", async () => {
      const port = await serve((socket) => {
        const timer = setInterval(() => socket.write("H"), 20);
        socket.on("close", () => clearInterval(timer));
      });
      expect(await ask(http(port), SHORT_MS)).toEqual({ isWell: false, detail: "no answer within 500 ms" });
    });

    const breaking: readonly (readonly [string, (socket: Socket) => void])[] = [
      ["hangs up", (socket) => socket.end()],
      ["hangs up in the middle of a line", (socket) => socket.end("HTTP/1.1 20")],
      ["resets", (socket) => socket.resetAndDestroy()],
    ];
    test.each(breaking)("http: a server that %s is not well", async (_name, behave) => {
      const port = await serve((socket) => socket.once("data", () => behave(socket)));
      expect((await ask(http(port))).isWell).toBe(false);
    });

    test("http: a body without end is not waited for", async () => {
      let isOver = false;
      const port = await serve((socket) => {
        socket.on("close", () => {
          isOver = true;
        });
        socket.once("data", () => {
          socket.write(`${ANSWER}\r\n`);
          const more = (): void => {
            if (!isOver) socket.write("x".repeat(65_536));
          };
          socket.on("drain", more);
          more();
        });
      });
      expect(await ask(http(port))).toEqual({ isWell: true, detail: "HTTP 200 OK" });
    });

    test("http: a first line without end is refused before it fills the memory", async () => {
      const sent = { bytes: 0 };
      const port = await serve((socket) => {
        const more = (): void => {
          sent.bytes += 65_536;
          if (!socket.destroyed) socket.write("x".repeat(65_536));
        };
        socket.on("drain", more);
        socket.once("data", more);
      });
      expect(await ask(http(port))).toEqual({ isWell: false, detail: "it answers, and not in HTTP/1.1" });
      // What the system keeps for a connection is sent in any case.
      expect(sent.bytes).toBeLessThan(64 * 2 ** 20);
    });

    test.each([
      "SSH-2.0-x\r\n",
      "HTTP/1.1 999 x\r\n",
      "HTTP/1.1 2000 x\r\n",
      "HTTP/2 200\r\n",
      "\r\n\r\n",
      "\0\0\0\0\n",
    ])("http: %j is no answer", async (words) => {
      expect(await ask(http(await says(words)))).toEqual({
        isWell: false,
        detail: "it answers, and not in HTTP/1.1",
      });
    });

    test("http: what a server gives as its reason is one line, and bounded", async () => {
      const port = await says(`HTTP/1.1 500 ${"é\x1b[31m".repeat(100)}\r\nx: y\r\n\r\n`);
      const { isWell, detail } = await ask(http(port));
      expect(isWell).toBe(false);
      expect(detail.length).toBeLessThanOrEqual(DETAIL_LENGTH_MAX);
      expect(detail).not.toMatch(/[\r\n]/);
    });

    test.each(["http", "tcp", "exec"] as const)("%s: an abort ends it with an answer", async (kind) => {
      const port = await serve(() => undefined);
      const questions: Readonly<Record<typeof kind, ProbeQuestion>> = {
        http: http(port),
        tcp: { kind: "tcp", host: "127.0.0.1", port },
        exec: {
          kind: "exec",
          command: ["sleep", "1000"],
          cwd: "/",
          environment: { PATH: process.env["PATH"] ?? "" },
        },
      };
      const stop = new AbortController();
      stop.abort();
      expect((await prober.ask(questions[kind], PATIENCE_MS, stop.signal)).isWell).toBe(false);
      if (kind === "tcp") return;
      const later = new AbortController();
      const answer = prober.ask(questions[kind], PATIENCE_MS, later.signal);
      later.abort();
      expect((await answer).isWell).toBe(false);
    });

    test("http: many at once are answered, each with its own", async () => {
      const ports = await Promise.all([200, 404, 503].map((status) => says(`HTTP/1.1 ${status} x\r\n\r\n`)));
      const asked = Array.from({ length: 60 }, (_, index) => ask(http(ports[index % 3] ?? 0)));
      const answers = await Promise.all(asked);
      expect(answers.map(({ detail }) => detail)).toEqual(
        answers.map((_, index) => `HTTP ${[200, 404, 503][index % 3]} x`),
      );
    });
  });
}
