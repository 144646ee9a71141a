import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/errors.ts";
import type { ProbeAnswer } from "../../base/ports/prober.ts";

/** A conversation over one connection: what is said first, and what the answer until now comes to. */
export interface Talk {
  readonly host: string;
  readonly port: number;
  /** Said once the connection is there; null: the connection is all that is asked for. */
  readonly words: string | null;
  /** What came until now, as latin1; null: more is needed. */
  readonly judge: (received: string) => ProbeAnswer | null;
}

/**
 * How long a peer may take to close after the answer is known, and how much it may still say. One that is cut off writes
 * an error into its log, or dies of it; one that never closes is cut off all the same. Chosen.
 */
const LEAVE_MS = 5_000;
const LEAVE_BYTES_MAX = 256 * 1024;

/** What comes of one connection, bounded in time. Takes its leave after the answer, in the background. Never rejects. */
export function askOverTcp(talk: Talk, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  let socket: Bun.Socket | null = null;
  let leavingBytes = 0;
  let received = "";
  let isOver = false;
  const finish = (answer: ProbeAnswer): void => {
    isOver = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    if (socket !== null) leave(socket, talk);
    resolve(answer);
  };
  const bad = (detail: string): void => finish({ isWell: false, detail });
  const onAbort = (): void => bad("it was not waited for");
  const timer = setTimeout(() => bad(`no answer within ${formatDuration(timeoutMs)}`), timeoutMs);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) {
    onAbort();
    return promise;
  }
  Bun.connect({
    hostname: talk.host,
    port: talk.port,
    socket: {
      open(opened) {
        socket = opened;
        if (isOver) opened.terminate();
        else if (talk.words === null) finish({ isWell: true, detail: "it takes connections" });
        else opened.write(talk.words);
      },
      data(talking, bytes) {
        if (isOver) {
          leavingBytes += bytes.length;
          if (leavingBytes > LEAVE_BYTES_MAX) talking.terminate();
          return;
        }
        received += bytes.toString("latin1");
        const answer = talk.judge(received);
        if (answer !== null) finish(answer);
      },
      close: () => {
        if (!isOver) bad("it closed the connection without an answer");
      },
      error: (_socket, thrown) => {
        if (!isOver) bad(messageOf(thrown));
      },
    },
  }).catch((thrown: unknown) => {
    if (!isOver) bad(`no connection: ${messageOf(thrown)}`);
  });
  return promise;
}

/** Waits for the end of the peer, which has all that it needs to come to one. */
function leave(socket: Bun.Socket, { words }: Talk): void {
  // After a question it closes by itself, and may take the end of ours for somebody who went away.
  if (words === null) socket.shutdown();
  setTimeout(() => socket.terminate(), LEAVE_MS).unref();
}
