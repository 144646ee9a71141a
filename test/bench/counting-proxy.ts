import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy on loopback that counts what passes, in both directions. */
export interface CountingProxy {
  readonly port: number;
  /** Bytes since the start. */
  readonly bytes: () => number;
  stop(): Promise<void>;
}

/** Starts a proxy to `port` on loopback. */
export async function startCountingProxy(port: number): Promise<CountingProxy> {
  let bytes = 0;
  const open = new Set<Socket>();
  const join = (from: Socket, to: Socket): void => {
    open.add(from);
    from.on("data", (chunk) => {
      bytes += chunk.length;
      to.write(chunk);
    });
    from.on("end", () => to.end());
    // A side that breaks off ends the other one; who asked sees it there.
    from.on("error", () => to.destroy());
    from.on("close", () => open.delete(from));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    join(client, upstream);
    join(upstream, client);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("Broken invariant: a port was asked for");
  return {
    port: address.port,
    bytes: () => bytes,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
