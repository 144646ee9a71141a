import { createServer, connect as dial, type Server, type Socket } from "node:net";

/**
 * What the proxy does to every connection from now on, those that are open included.
 * `pass`: nothing. `refuse`: nobody listens, open connections are dropped. `hang`: accepts and stays silent, in both
 * directions. `slow`: one byte a second each way. `cut`: a connection is dropped after `afterBytes` of both directions.
 * `die`: after `afterBytes` in one direction, over all connections since the switch, everything is dropped and whoever
 * comes later too. `swallow`: after `afterBytes` of answers the rest of them vanishes, and what is said still arrives.
 */
export type Fault =
  | { readonly kind: "pass" | "refuse" | "hang" | "slow" }
  | { readonly kind: "cut"; readonly afterBytes: number }
  | { readonly kind: "swallow"; readonly afterBytes: number }
  | { readonly kind: "die"; readonly direction: Direction; readonly afterBytes: number };

/** `up`: from the client to the server. `down`: the answers. */
export type Direction = "up" | "down";

/** One byte a second is what a remote that is nearly dead looks like. */
const SLOW_BYTE_MS = 1000;

/**
 * A TCP proxy on loopback in front of a port of this machine, whose faults are switched while it runs. Its own port
 * stays the same for its whole life. `stop` drops what is open.
 */
export class FaultyProxy {
  readonly port: number;
  /** Connections that were accepted so far. */
  connections = 0;
  /** Bytes that came from either side since the last switch. */
  carried: Record<Direction, number> = { up: 0, down: 0 };
  readonly #targetPort: number;
  readonly #open = new Set<Socket>();
  #server: Server;
  #fault: Fault = { kind: "pass" };
  #isDead = false;
  #switched = Promise.withResolvers<void>();

  private constructor(server: Server, port: number, targetPort: number) {
    this.#server = server;
    this.port = port;
    this.#targetPort = targetPort;
  }

  static async start(targetPort: number): Promise<FaultyProxy> {
    const server = createServer({ allowHalfOpen: true });
    await listen(server, 0);
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("The proxy has no port");
    const proxy = new FaultyProxy(server, address.port, targetPort);
    server.on("connection", (client) => proxy.#accept(client));
    return proxy;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#open.size;
  }

  /** Switches; resolves when the new behaviour holds. */
  async be(kind: "pass" | "refuse" | "hang" | "slow"): Promise<void> {
    await this.#switchTo({ kind });
  }

  /** Drops every connection after so many bytes, and those that had them already. */
  async cutAfter(afterBytes: number): Promise<void> {
    await this.#switchTo({ kind: "cut", afterBytes });
  }

  /** The network dies after so many bytes in one direction. */
  async dieAfter(direction: Direction, afterBytes: number): Promise<void> {
    await this.#switchTo({ kind: "die", direction, afterBytes });
  }

  /** Answers vanish after so many bytes, and nobody is told. */
  async swallowAfter(afterBytes: number): Promise<void> {
    await this.#switchTo({ kind: "swallow", afterBytes });
  }

  async stop(): Promise<void> {
    await this.be("refuse");
  }

  async #switchTo(fault: Fault): Promise<void> {
    const wasRefusing = this.#fault.kind === "refuse";
    this.#fault = fault;
    this.#isDead = false;
    this.carried = { up: 0, down: 0 };
    const switched = this.#switched;
    this.#switched = Promise.withResolvers();
    switched.resolve();
    if (fault.kind === "refuse" && !wasRefusing) await this.#close();
    if (fault.kind !== "refuse" && wasRefusing) await this.#reopen();
  }

  async #close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#open) socket.destroy();
    await promise;
  }

  async #reopen(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true });
    this.#server.on("connection", (client) => this.#accept(client));
    await listen(this.#server, this.port);
  }

  #accept(client: Socket): void {
    this.connections += 1;
    this.#open.add(client);
    client.on("close", () => this.#open.delete(client));
    // A peer that was ended says so with a reset; the pumps see the closed socket.
    client.on("error", () => undefined);
    if (this.#isDead) return void client.destroy();
    client.pause();
    void this.#serve(client);
  }

  async #serve(client: Socket): Promise<void> {
    while (this.#fault.kind === "hang" && !client.destroyed) await this.#nextSwitch(client);
    if (client.destroyed) return;
    const target = dial({ host: "127.0.0.1", port: this.#targetPort, allowHalfOpen: true });
    target.on("error", () => undefined);
    target.on("close", () => client.destroy());
    client.on("close", () => target.destroy());
    const carried = { bytes: 0 };
    const drop = (): void => {
      client.destroy();
      target.destroy();
    };
    this.#pump(client, target, { direction: "up", carried, drop });
    this.#pump(target, client, { direction: "down", carried, drop });
  }

  #pump(from: Socket, to: Socket, pair: Pair): void {
    let work = Promise.resolve();
    from.on("data", (chunk: Buffer) => {
      from.pause();
      work = this.#carry(chunk, to, pair).then(() => {
        if (!from.destroyed) from.resume();
      });
    });
    from.on("end", () => {
      void work.then(() => {
        if (!to.destroyed) to.end();
      });
    });
    from.resume();
  }

  async #carry(chunk: Buffer, to: Socket, pair: Pair): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && !to.destroyed) {
      const fault = this.#fault;
      if (fault.kind === "hang" || fault.kind === "refuse") {
        await this.#nextSwitch(to);
      } else if (fault.kind === "die" || fault.kind === "swallow") {
        return await this.#carryBounded(rest, to, { direction: pair.direction, fault });
      } else {
        rest = rest.subarray(await this.#carryPart(rest, to, { pair, fault }));
        if (fault.kind === "slow" && rest.length > 0) {
          await Promise.race([Bun.sleep(SLOW_BYTE_MS), this.#nextSwitch(to)]);
        }
      }
    }
  }

  /** Carries the first bytes of `rest` and answers how many; all of them where the connection was cut. */
  async #carryPart(rest: Buffer, to: Socket, { pair, fault }: { pair: Pair; fault: Fault }): Promise<number> {
    const leftBytes = fault.kind === "cut" ? fault.afterBytes - pair.carried.bytes : rest.length;
    const part = rest.subarray(0, fault.kind === "slow" ? 1 : leftBytes);
    await write(to, part);
    pair.carried.bytes += part.length;
    this.carried[pair.direction] += part.length;
    if (fault.kind === "cut" && pair.carried.bytes >= fault.afterBytes) {
      pair.drop();
      return rest.length;
    }
    return part.length;
  }

  /** Carries what the fault lets through of a chunk; what comes after that is lost. */
  async #carryBounded(
    chunk: Buffer,
    to: Socket,
    { direction, fault }: { direction: Direction; fault: Extract<Fault, { kind: "die" | "swallow" }> },
  ): Promise<void> {
    const before = this.carried[direction];
    this.carried[direction] += chunk.length;
    const isMeant = direction === (fault.kind === "die" ? fault.direction : "down");
    if (!isMeant) return await write(to, chunk);
    const passes = Math.max(0, fault.afterBytes - before);
    await write(to, chunk.subarray(0, passes));
    if (fault.kind === "die" && passes <= chunk.length) this.#die();
  }

  #die(): void {
    this.#isDead = true;
    for (const socket of this.#open) socket.destroy();
  }

  /** Resolves at the next switch, or when `socket` is closed. */
  async #nextSwitch(socket: Socket): Promise<void> {
    await Promise.race([this.#switched.promise, closingOf(socket)]);
  }
}

/** What a direction of a connection shares with the other one. */
interface Pair {
  readonly direction: Direction;
  readonly carried: { bytes: number };
  readonly drop: () => void;
}

const closings = new WeakMap<Socket, Promise<void>>();

/** Resolves when `socket` is closed; one listener a socket, however often it is asked for. */
function closingOf(socket: Socket): Promise<void> {
  let closing = closings.get(socket);
  if (closing === undefined) {
    closing = new Promise((resolve) => void socket.once("close", () => resolve()));
    closings.set(socket, closing);
  }
  return closing;
}

async function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  await promise;
}

/** Resolves when the bytes left, or the socket is gone. */
async function write(to: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || to.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  to.once("close", resolve);
  to.write(bytes, () => resolve());
  await promise;
  to.off("close", resolve);
}
