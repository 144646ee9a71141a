import { mkdirSync } from "node:fs";
import { type Mailbox, openMailbox } from "../../src/daemon/open-mailbox.ts";
import { countUnconfirmed } from "../../src/fleet/messaging/outbox.ts";
import { createControlClient } from "../../src/http/client/control-client.ts";
import { type ServerPaths, serverPaths } from "../../src/platform/paths.ts";
import type { Context } from "./context.ts";

/** A server that the executable made, with a root of its own. */
export interface BenchServer {
  readonly name: string;
  readonly root: string;
  readonly paths: ServerPaths;
  readonly environment: Record<string, string>;
  /** The server's files, opened in this process. The caller closes them. */
  open(): Mailbox;
}

/** Makes the server `name` on `remote` with `fleetd init`. */
export async function makeServer(
  { fleetd, temp }: Context,
  name: string,
  remote: string,
): Promise<BenchServer> {
  const root = temp.path(name);
  mkdirSync(root);
  const environment = {
    HOME: temp.home,
    PATH: process.env["PATH"] ?? "",
    FLEETD_HOME: root,
  };
  // Not `spawnSync`: the remote may be a server in this process.
  const child = Bun.spawn([fleetd, "init", "--remote", remote, "--server", name], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const complaint = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`init of ${name}: ${complaint}`);
  const paths = serverPaths(root, name);
  return { name, root, paths, environment, open: () => openMailbox(paths) };
}

/** A running `fleetd monitor`. */
export interface Daemon {
  readonly pid: number;
  readonly client: ReturnType<typeof createControlClient>;
  stop(): Promise<void>;
}

/** Starts the server's daemon and resolves when it has answered and pushed its first card. */
export async function startDaemon(
  { fleetd }: Context,
  server: BenchServer,
  environment: Readonly<Record<string, string>> = {},
): Promise<Daemon> {
  const child = Bun.spawn([fleetd, "monitor"], {
    cwd: server.root,
    env: { ...server.environment, ...environment },
    stdio: ["ignore", "ignore", Bun.file(`${server.root}/monitor.log`)],
  });
  const client = createControlClient(server.paths.socket);
  const isReady = async (): Promise<boolean> => {
    const status = await client.status().catch(() => null);
    return status !== null && status.lastPushWallMs !== null && status.lastFetchWallMs !== null;
  };
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`monitor of ${server.name} ended with ${child.exitCode}`);
    await Bun.sleep(20);
  }
  return {
    pid: child.pid,
    client,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/** Waits until everything that the server promised is on the remote. */
export async function untilPushed(mailbox: Mailbox): Promise<void> {
  while (countUnconfirmed(mailbox.state) > 0) await Bun.sleep(2);
}
