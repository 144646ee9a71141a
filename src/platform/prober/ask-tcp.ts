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

/** What comes of one connection, bounded in time; it is closed as soon as that is known. Never rejects. */
export function askOverTcp(talk: Talk, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  let socket: Bun.Socket | null = null;
  let received = "";
  let isOver = false;
  const finish = (answer: ProbeAnswer): void => {
    isOver = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    // A graceful end would wait for a peer that may never read.
    socket?.terminate();
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
      data(_socket, bytes) {
        if (isOver) return;
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
