import { afterEach, describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { HostPort } from "../../../src/base/host-port.ts";
import type { ListeningSockets } from "../../../src/base/ports/listening-sockets.ts";
import { freePort } from "../../helpers/free-port.ts";
import { Programs } from "../../helpers/program.ts";

/** What is said first, once somebody accepts. */
const GREETING = "hello";

/** What everybody may expect of `ListeningSockets`. `acceptor`: the words of a program that listens on descriptor 3. */
export function listeningSocketsContract(
  name: string,
  {
    open,
    acceptor,
  }: { readonly open: () => Promise<ListeningSockets>; readonly acceptor: readonly string[] },
): void {
  describe(`ListeningSockets: ${name}`, () => {
    const programs = new Programs();
    const descriptors = new Set<number>();
    afterEach(async () => {
      await programs.end();
      for (const descriptor of descriptors) closeSync(descriptor);
      descriptors.clear();
    });

    const taken = (found: number | "forbidden" | null): number => {
      if (typeof found !== "number") throw new Error(`There is no descriptor: ${found}`);
      descriptors.add(found);
      return found;
    };
    const four = async (): Promise<HostPort> => ({ host: "127.0.0.1", port: await freePort() });
    /** Starts a program that accepts from a descriptor, and answers its process id. */
    const accept = async (descriptor: number, word: string): Promise<number> => {
      const program = programs.start([...acceptor, word], { fds: [descriptor] });
      await program.line();
      return program.pid;
    };

    test("open() listens, and what arrives before anybody accepts is kept for the one who does", async () => {
      const sockets = await open();
      const address = await four();
      const descriptor = taken(sockets.open(address));
      const answer = greet(address);
      await accept(descriptor, GREETING);
      expect(await answer).toBe(GREETING);
    });

    test("open() is for one address: IPv6 beside IPv4, and the same port of another address", async () => {
      const sockets = await open();
      const address = await four();
      taken(sockets.open(address));
      taken(sockets.open({ ...address, host: "::1" }));
      taken(sockets.open({ ...address, host: "127.0.0.2" }));
    });

    test("open() is null where somebody listens, whoever that is", async () => {
      const sockets = await open();
      const address = await four();
      taken(sockets.open(address));
      expect(sockets.open(address)).toBeNull();
      const stranger = createServer();
      await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
      const found = stranger.address();
      const port = typeof found === "object" && found !== null ? found.port : 0;
      expect(sockets.open({ host: "127.0.0.1", port })).toBeNull();
      expect(sockets.openBeside({ host: "127.0.0.1", port })).toBeNull();
      stranger.close();
    });

    test("open() says which address this machine does not have", async () => {
      const sockets = await open();
      expect(() => sockets.open({ host: "192.0.2.1", port: 4_000 })).toThrow(
        "Cannot listen on 192.0.2.1:4000: this machine does not have that address",
      );
    });

    test("close() frees the address at once", async () => {
      const sockets = await open();
      const address = await four();
      sockets.close(sockets.open(address) ?? -1);
      await expect(greet(address)).rejects.toThrow();
      taken(sockets.open(address));
    });

    test("what is opened is closed by what this process starts, unless it is handed on", async () => {
      const sockets = await open();
      const address = await four();
      const descriptor = taken(sockets.open(address));
      const holder = programs.start([
        "sh",
        "-c",
        "ls -l /proc/self/fd | tr '\\n' ' '; echo; exec sleep 1000",
      ]);
      expect(await holder.line()).not.toContain(`${descriptor} -> socket:`);
      sockets.close(descriptor);
      descriptors.delete(descriptor);
      taken(sockets.open(address));
    });

    test("takeFrom() is the very socket of a process, with who waits in it, and outlives that process", async () => {
      const sockets = await open();
      const address = await four();
      const first = sockets.open(address) ?? -1;
      const pid = await accept(first, "first");
      sockets.close(first);
      const again = taken(sockets.takeFrom(pid, address));
      process.kill(pid, "SIGKILL");
      const answer = greet(address);
      await accept(again, "second");
      // Whoever came while the first one died is answered by one of the two, or cut off by its end; never refused.
      expect(["first", "second", ""]).toContain(await answer);
      expect(await greet(address)).toBe("second");
    });

    test("takeFrom() is null for another address, for one who does not listen, and for nobody", async () => {
      const sockets = await open();
      const address = await four();
      const pid = await accept(taken(sockets.open(address)), GREETING);
      expect(
        sockets.takeFrom(pid, { ...address, port: address.port === 65_535 ? 1 : address.port + 1 }),
      ).toBeNull();
      expect(sockets.takeFrom(pid, { ...address, host: "127.0.0.2" })).toBeNull();
      const other = programs.start(["sleep", "1000"]);
      expect(sockets.takeFrom(other.pid, address)).toBeNull();
      expect(sockets.takeFrom(2 ** 22 + 1, address)).toBeNull();
    });
  });
}

/** What is said to somebody who connects; empty when the connection is cut. */
function greet({ host, port }: HostPort): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = "";
  const socket = connect(port, host);
  socket.on("data", (bytes) => (said += bytes.toString()));
  socket.on("error", (thrown) =>
    said === "" && "code" in thrown && thrown.code === "ECONNRESET" ? resolve("") : reject(thrown),
  );
  socket.on("close", () => resolve(said));
  return promise;
}
