// Processes that hold sockets, for tests that look for them. All of them are ended, by id, by `close`.
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { descendantsOf } from "./temp-git.ts";

const FIXTURE = join(import.meta.dir, "fixtures/listener.ts");

/** What the fixture is told; see there. */
export interface Wanted {
  readonly protocol?: "tcp" | "udp";
  readonly address?: string;
  readonly port?: number;
  readonly heirs?: number;
  readonly ignoreTerm?: boolean;
  readonly reuse?: boolean;
}

/** A process that listens. */
export interface Holder {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<number>;
  /** Whether it has ended. */
  hasEnded(): boolean;
}

/** Starts holders, and ends them. */
export class Holders {
  readonly #children = new Set<Bun.Subprocess>();

  /** Starts one, and waits until it listens. `words` stand before its command. */
  async start(
    wanted: Wanted = {},
    options: { readonly env?: Readonly<Record<string, string>>; readonly words?: readonly string[] } = {},
  ): Promise<Holder> {
    // One of its own, since tests say that nobody else listens on it, also when it has ended.
    const asked = { protocol: "tcp", address: "127.0.0.1", port: await freePort(), ...wanted };
    const words = [...(options.words ?? []), process.execPath, FIXTURE, JSON.stringify(asked)];
    const child = Bun.spawn(words, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, FLEETD_SERVICE_RUN: undefined, ...options.env },
    });
    this.#children.add(child);
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    if (!(port > 0)) throw new Error(`The holder ${JSON.stringify(asked)} does not listen`);
    return {
      pid: child.pid,
      port,
      exited: child.exited,
      hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    };
  }

  /** One that fleetd takes for its own. */
  startOurs(wanted: Wanted = {}): Promise<Holder> {
    return this.start(wanted, { env: { FLEETD_SERVICE_RUN: crypto.randomUUID() } });
  }

  /** Any other process, to be ended with the rest. */
  spawn(words: readonly string[], env: Readonly<Record<string, string>> = {}): Bun.Subprocess {
    const child = Bun.spawn([...words], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    return child;
  }

  async close(): Promise<void> {
    const children = [...this.#children];
    this.#children.clear();
    for (const { pid } of children) {
      // Stopped first: a shell would start anew what is ended below it.
      signal(pid, "SIGSTOP");
      for (const one of [...descendantsOf(pid), pid]) signal(one, "SIGKILL");
    }
    await Promise.all(children.map((child) => child.exited));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Ended by itself.
  }
}
