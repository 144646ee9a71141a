import { findSshd, startSshServer } from "../lab/git/ssh-server.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { FleetSandbox } from "./fleet-sandbox.ts";
import { type GitServer, startHttpServer } from "./git-servers.ts";
import type { Transport } from "./proxied-fleet.ts";

/** A sandbox for the judge whose remote is served over a network protocol, with a proxy in between. */
export interface ServedSandbox {
  readonly sandbox: FleetSandbox;
  readonly proxy: FaultyProxy;
  /** Lets every server look once more, and ends the server: it would count as a process that was left. */
  settle(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

/** Serves the remote of a new sandbox; `canServe` says whether that is possible here. Servers that are made get its address. */
export async function serveSandbox(transport: Transport, settings: string): Promise<ServedSandbox> {
  const sandbox = new FleetSandbox(settings);
  const { server, variables } = await serve(transport, sandbox);
  const proxy = await FaultyProxy.start(server.port);
  const name = sandbox.remote.slice(sandbox.remote.lastIndexOf("/"));
  sandbox.address = server.url.replace(`:${server.port}`, `:${proxy.port}`) + name;
  sandbox.variables = variables;
  let isServing = true;
  const stopServing = async (): Promise<void> => {
    if (isServing) await server.stop();
    isServing = false;
  };
  return {
    sandbox,
    proxy,
    async settle() {
      for (const name of sandbox.servers) await sandbox.run(name, ["inbox"]);
      await stopServing();
    },
    async close() {
      await sandbox.close();
      await proxy.stop();
      await stopServing();
    },
  };
}

async function serve(
  transport: Transport,
  { temp, remote }: FleetSandbox,
): Promise<{ server: GitServer; variables: Record<string, string> }> {
  if (transport === "http") {
    temp.git(remote, "config", "http.receivepack", "true");
    return { server: startHttpServer(temp, null), variables: {} };
  }
  const server = await startSshServer(temp, findSshd() ?? "");
  // The host key is pinned for the server's own port, and the proxy has another one.
  const alias = `-o HostKeyAlias=[127.0.0.1]:${server.port}`;
  return { server, variables: { GIT_SSH_COMMAND: `${server.sshCommand} ${alias}` } };
}
