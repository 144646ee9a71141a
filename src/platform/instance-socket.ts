/**
 * Where a program that may run once listens for those that were started after it: a unix socket in a folder of this
 * user, a named pipe on Windows. One line of JSON each way. Runs in Bun and in Node.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { clearSocket, makeSocketFolder, protectSocket } from "./socket.ts";

/** A line may be this long; both ends bound what they say far below. */
const LINE_BYTES_MAX = 1024 * 1024;
/** Whoever connects and says nothing is let go. Chosen, far above what a line takes. */
const SILENCE_MS = 5_000;
/** How often whoever came right after the first tries again: the lock is taken a moment before the socket is there. */
const AGAIN_MS = 20;

/** A program that listens. */
export interface InstanceSocket {
  close(): void;
}

const isPipe = (path: string): boolean => path.startsWith("\\\\.\\pipe\\");

/**
 * Listens at `path`; `take` is given each line and says whether it was one. The caller holds the lock, so a socket that is
 * there was left behind. Keeps no process alive. @throws FleetError, or the system's error
 */
export async function listenForInstances(
  path: string,
  take: (line: string) => boolean,
): Promise<InstanceSocket> {
  if (!isPipe(path)) {
    makeSocketFolder(path);
    clearSocket(path);
  }
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    // A second instance that was killed in the middle is nobody's failure.
    socket.on("error", () => socket.destroy());
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    readLine(socket, (line) => socket.end(take(line) ? "ok\n" : "no\n"));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  server.unref();
  if (!isPipe(path)) protectSocket(path);
  return {
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Hands a line to the program that listens at `path`; whether it took it within `withinMs`. */
export async function tellInstance(path: string, line: string, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) return false;
    const said = await askOnce(path, line, leftMs);
    if (said !== null) return said === "ok";
    await pause(Math.min(AGAIN_MS, leftMs));
  }
}

/** Null: nobody listens, or whoever did is gone. */
function askOnce(path: string, line: string, withinMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (said: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = setTimeout(() => end(null), withinMs);
    socket.on("error", () => end(null));
    socket.on("close", () => end(null));
    socket.on("connect", () => socket.write(`${line}\n`));
    readLine(socket, end);
  });
}

function readLine(socket: Socket, take: (line: string) => void): void {
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (part: string) => {
    const end = text.length + part.indexOf("\n");
    const isWhole = part.includes("\n");
    text += part;
    if (isWhole) {
      socket.removeAllListeners("data");
      take(text.slice(0, end));
    } else if (text.length > LINE_BYTES_MAX) {
      socket.destroy();
    }
  });
}
