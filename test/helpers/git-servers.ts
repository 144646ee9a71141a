import { createServer } from "node:net";
import { freePort } from "./free-port.ts";
import type { TempGit } from "./temp-git.ts";
import { eventually } from "./temp-git.ts";

/** A server on loopback that the test stops. */
export interface GitServer {
  /** Address of the folder it serves, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** `git daemon` with pushes allowed, or null when this git has none. */
export async function startGitDaemon(temp: TempGit): Promise<GitServer | null> {
  const options = ["--reuseaddr", "--listen=127.0.0.1", "--export-all", "--enable=receive-pack"];
  const server = await startServer(
    (port) => ["git", "daemon", `--port=${port}`, `--base-path=${temp.folder}`, ...options],
    temp,
  );
  if (server === null) console.log("skipped: git daemon does not start here");
  return server;
}

/** Starts a server on a free port, in a process group of its own; null when it ends instead of listening. */
export async function startServer(
  commandOf: (port: number) => string[],
  temp: TempGit,
): Promise<GitServer | null> {
  const port = await freePort();
  const child = Bun.spawn(commandOf(port), {
    env: temp.environment,
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  const answers = await eventuallyAsync(
    () => isOpen(port),
    () => child.exitCode === null,
  );
  if (!answers) return null;
  return {
    url: `git://127.0.0.1:${port}`,
    port,
    stop: async () => {
      process.kill(-child.pid, "SIGTERM");
      await child.exited;
    },
  };
}

/** What a host may answer instead of git; null: git answers. */
export type Instead = (request: Request) => Response | null;

/** Smart HTTP through `git http-backend`; `password`: Basic authentication as user `bob`. Counts requests. */
export function startHttpServer(
  temp: TempGit,
  password: string | null,
  instead: Instead = () => null,
): GitServer & { readonly requests: string[] } {
  const requests: string[] = [];
  const expected = `Basic ${btoa(`bob:${password ?? ""}`)}`;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    development: false,
    fetch: (request) => {
      const url = new URL(request.url);
      requests.push(
        `${request.method} ${url.pathname}${url.search} ${request.headers.get("user-agent") ?? ""}`,
      );
      if (password !== null && request.headers.get("authorization") !== expected) {
        return new Response("no", { status: 401, headers: { "www-authenticate": 'Basic realm="git"' } });
      }
      return instead(request) ?? runBackend(temp, request, url);
    },
  });
  const port = server.port ?? 0;
  return { url: `http://127.0.0.1:${port}`, port, requests, stop: () => server.stop(true) };
}

async function runBackend(temp: TempGit, request: Request, url: URL): Promise<Response> {
  const child = Bun.spawn(["git", "http-backend"], {
    env: {
      ...temp.environment,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_PROJECT_ROOT: temp.folder,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      REMOTE_USER: "bob",
      CONTENT_TYPE: request.headers.get("content-type") ?? "",
      HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
      GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
    },
    stdin: await request.bytes(),
    stdout: "pipe",
    stderr: "ignore",
  });
  const output = Buffer.from(await new Response(child.stdout).arrayBuffer());
  const end = output.indexOf("\r\n\r\n");
  const headers = new Headers();
  for (const line of output.toString("latin1", 0, end).split("\r\n")) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const status = Number(headers.get("status")?.slice(0, 3) ?? 200);
  return new Response(output.subarray(end + 4), { status, headers });
}

/** A TCP server that accepts and says nothing; on a free port unless told which. */
export async function startSilentServer(wantedPort = 0): Promise<GitServer> {
  const server = createServer(() => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(wantedPort, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `git://127.0.0.1:${port}`,
    port,
    stop: () => {
      server.close();
      return Promise.resolve();
    },
  };
}

async function isOpen(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    // Refused: it does not listen yet.
    return false;
  }
}

async function eventuallyAsync(holds: () => Promise<boolean>, isWorthIt: () => boolean): Promise<boolean> {
  let held = false;
  let asking = false;
  await eventually(() => {
    if (!(held || asking)) {
      asking = true;
      void holds().then((answer) => {
        held = answer;
        asking = false;
      });
    }
    return held || !isWorthIt();
  });
  return held;
}
