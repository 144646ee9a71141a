// Three servers whose remote lies behind a proxy that can fail in every way a network can, over ssh:// or over HTTP with
// a password. The one idea: sender and readers go through the same proxy, the test looks at the repository behind it.
import { writeFileSync } from "node:fs";
import { findSshd, startSshServer } from "../lab/git/ssh-server.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { type GitServer, startHttpServer } from "./git-servers.ts";
import { type Answer, type Ran, type Running, TempFleet } from "./temp-fleet.ts";
import { processesWith } from "./temp-git.ts";

/** How the remote is reached. */
export type Transport = "ssh" | "http";

/** A message as its recipient lists it. */
export interface Arrived {
  readonly id: string;
  readonly body: string;
}

export const SERVERS = ["code1", "code2", "db3"] as const;
export type ServerName = (typeof SERVERS)[number];

/** Whether this machine can serve `transport`; says why not. */
export function canServe(transport: Transport): boolean {
  if (transport === "http" || findSshd() !== null) return true;
  console.log("skipped: a fleet over ssh:// behind a proxy: sshd is not installed");
  return false;
}

export class ProxiedFleet {
  readonly fleet = new TempFleet();
  readonly repository: string;
  readonly proxy: FaultyProxy;
  readonly #server: GitServer;
  readonly #env: Record<string, string>;
  readonly #monitors = new Map<ServerName, Running>();

  private constructor(parts: {
    fleet: TempFleet;
    repository: string;
    proxy: FaultyProxy;
    server: GitServer;
    env: Record<string, string>;
  }) {
    this.fleet = parts.fleet;
    this.repository = parts.repository;
    this.proxy = parts.proxy;
    this.#server = parts.server;
    this.#env = parts.env;
  }

  /** A fleet of three with `configuration` (YAML) for all; no monitor runs yet. */
  static async create(transport: Transport, configuration: string): Promise<ProxiedFleet> {
    const fleet = new TempFleet();
    const repository = fleet.git.bare();
    const configPath = `${fleet.git.folder}/fleetd.yaml`;
    writeFileSync(configPath, configuration);
    const served = await serve(transport, fleet, repository);
    const proxy = await FaultyProxy.start(served.server.port);
    const url = served.url.replace(`:${served.server.port}`, `:${proxy.port}`);
    const env = { ...served.env, FLEETD_CONFIG: configPath };
    const proxied = new ProxiedFleet({ fleet, repository, proxy, server: served.server, env });
    for (const server of SERVERS) {
      await fleet.text(["init", "--server", server, "--remote", url], { env });
    }
    return proxied;
  }

  async startMonitors(): Promise<void> {
    for (const server of SERVERS) {
      this.#monitors.set(server, await this.fleet.monitor(server, [], { env: this.#env }));
    }
  }

  run(server: ServerName, ...words: readonly string[]): Promise<Ran> {
    return this.fleet.run(words, { as: server, env: this.#env });
  }

  json(server: ServerName, ...words: readonly string[]): Promise<Answer> {
    return this.fleet.json(words, { as: server, env: this.#env });
  }

  /** What the monitor of `server` printed so far. */
  told(server: ServerName): string {
    const monitor = this.#monitors.get(server);
    return monitor === undefined ? "" : monitor.stdout() + monitor.stderr();
  }

  /** The messages of people at `server`, in the order in which the sender wrote them. */
  async inbox(server: ServerName): Promise<Arrived[]> {
    const { messages } = await this.json(server, "inbox", "--offline", "--limit", "1000");
    const arrived = (messages as { message?: Arrived; id?: string; body?: string }[]).map(
      (one) => one.message ?? { id: one.id ?? "", body: one.body ?? "" },
    );
    return arrived.sort((left, right) => (left.id < right.id ? -1 : 1));
  }

  /** How many messages the queue of `server` holds. */
  async queued(server: ServerName): Promise<number> {
    const { queue } = (await this.json(server, "status")) as { queue: { count: number } };
    return queue.count;
  }

  /** Living git processes that speak to the proxy. */
  gits(): number[] {
    return processesWith(`127.0.0.1:${this.proxy.port}`);
  }

  async remove(): Promise<void> {
    await this.fleet.remove();
    await this.proxy.stop();
    await this.#server.stop();
  }
}

async function serve(
  transport: Transport,
  fleet: TempFleet,
  repository: string,
): Promise<{ server: GitServer; url: string; env: Record<string, string> }> {
  const name = repository.slice(repository.lastIndexOf("/"));
  if (transport === "http") {
    fleet.git.git(repository, "config", "http.receivepack", "true");
    const server = startHttpServer(fleet.git, "s3cret-word");
    return { server, url: server.url.replace("//", "//bob:s3cret-word@") + name, env: {} };
  }
  const server = await startSshServer(fleet.git, findSshd() ?? "");
  // The host key is pinned for the server's own port, and the proxy has another one.
  const alias = `-o HostKeyAlias=[127.0.0.1]:${server.port}`;
  return { server, url: server.url + name, env: { GIT_SSH_COMMAND: `${server.sshCommand} ${alias}` } };
}
