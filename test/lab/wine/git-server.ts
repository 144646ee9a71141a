/** Runs git for programs in Wine, which ask through `git-relay.ts`: the same files, by their names on this system. */
import { createServer, type Server, type Socket } from "node:net";
import { FrameReader, frame, KINDS } from "./frames.ts";

/** A git server that listens. */
export interface GitServer {
  readonly port: number;
  close(): void;
}

interface Call {
  readonly words: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Listens on 127.0.0.1. `driveC`: what drive C is on this system; `home`: where git looks for its settings. */
export async function openGitServer(driveC: string, home: string): Promise<GitServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, driveC, home);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The git server has no port");
  return {
    port: address.port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Paths of Windows within a text, as this system has them. */
export const toUnix = (text: string, driveC: string): string =>
  text.replace(/(?<![A-Za-z])([A-Za-z]):[\\/]([^\n"]*)/g, (_whole, drive: string, rest: string) => {
    const path = rest.replaceAll("\\", "/");
    return drive.toUpperCase() === "C" ? `${driveC}/${path}` : `/${path}`;
  });

function serve(socket: Socket, driveC: string, home: string): void {
  let child: Bun.Subprocess<"pipe", "pipe", "pipe"> | null = null;
  const begin = (call: Call): void => {
    child = Bun.spawn(["git", ...call.words.map((word) => toUnix(word, driveC))], {
      cwd: toUnix(call.cwd, driveC),
      env: { PATH: process.env["PATH"] ?? "", ...call.environment, HOME: home },
      stdio: ["pipe", "pipe", "pipe"],
    });
    void finish(child, socket);
  };
  const frames = new FrameReader((kind, payload) => {
    if (kind === KINDS.call) begin(JSON.parse(new TextDecoder().decode(payload)));
    else if (payload.length === 0) void child?.stdin.end();
    else void child?.stdin.write(payload);
  });
  socket.on("data", (bytes: Buffer) => frames.push(bytes));
  socket.on("error", () => socket.destroy());
  socket.on("close", () => child?.kill("SIGKILL"));
}

async function finish(child: Bun.Subprocess<"pipe", "pipe", "pipe">, socket: Socket): Promise<void> {
  const hand = async (kind: number, stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const part of stream) socket.write(frame(kind, part));
  };
  await Promise.all([hand(KINDS.stdout, child.stdout), hand(KINDS.stderr, child.stderr)]);
  socket.write(frame(KINDS.exit, String(await child.exited)));
}
