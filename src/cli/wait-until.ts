import { Bell } from "../daemon/loop.ts";
import { createRemoteWatch } from "../daemon/watch-remote.ts";
import { receiveMessages } from "../fleet/messaging/receive-messages.ts";
import type { RemoteDown } from "../http/protocol.ts";
import { systemClock } from "../platform/clock.ts";
import { commandSignal } from "./command-signal.ts";
import { REMOTE_TIMEOUT_MS, type Session } from "./session.ts";

/** How often a command without a daemon looks at a remote that cannot be watched. */
const POLL_MS = 1_000;
/** A watch can miss a change on some file systems; this bounds the harm. */
const POLL_WATCHED_MS = 2_000;
/** How long one question to the daemon may stay open. */
const ASK_MS_MAX = 20_000;

/**
 * Waits until `check` answers something else than null, and answers that; null at the timeout. With a daemon it is
 * woken by the daemon's changes, without one it receives by itself.
 */
export async function waitUntil<T>(
  session: Session,
  timeoutMs: number,
  check: () => T | null,
): Promise<T | null> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  const leftMs = (): number => deadlineMs - systemClock.monotonicMs();
  let found: T | null = null;
  const isEnough = (): boolean => {
    found = check();
    return found !== null || leftMs() <= 0;
  };
  if (await waitWithDaemon(session, leftMs, isEnough)) return found;
  return isEnough() ? found : await waitAlone(session, leftMs, check);
}

/**
 * Waits, woken by the daemon's changes, until `isEnough`, which hears what is known against the remote, or the time is
 * up. False as soon as no daemon answers: then
 * the caller has to go on by itself.
 */
export async function waitWithDaemon(
  session: Session,
  leftMs: () => number,
  isEnough: (down: RemoteDown | null) => boolean,
): Promise<boolean> {
  const status = await session.ask((daemon) => daemon.status());
  let news = status === null ? null : { revision: status.revision, down: status.remote.down };
  while (news !== null) {
    if (isEnough(news.down) || leftMs() <= 0) return true;
    commandSignal().throwIfAborted();
    const call = { since: news.revision, timeoutMs: Math.min(ASK_MS_MAX, Math.max(1, leftMs())) };
    news = await session.ask((daemon) => daemon.changes(call, commandSignal()));
  }
  return false;
}

/**
 * Waits until the daemon that stood at `revision` has news, at most `timeoutMs`; without a daemon (null) for that long.
 * Ends early, and quietly, when the command is told to stop.
 */
export async function waitForNews(
  session: Session,
  revision: number | null,
  timeoutMs: number,
): Promise<void> {
  const signal = commandSignal();
  const startMs = systemClock.monotonicMs();
  if (revision !== null) {
    const call = { since: revision, timeoutMs };
    const answer = await session.ask((daemon) => daemon.changes(call, signal));
    if (answer !== null || signal.aborted) return;
  }
  const leftMs = timeoutMs - (systemClock.monotonicMs() - startMs);
  await new Bell().wait(leftMs, systemClock, signal);
}

async function waitAlone<T>(
  session: Session,
  leftMs: () => number,
  check: () => T | null,
): Promise<T | null> {
  const ports = session.mailbox().receivePorts();
  const signal = commandSignal();
  const bell = new Bell();
  const { folder } = ports.remote;
  const { namespace, server } = ports.identity;
  const watch = folder === null ? null : createRemoteWatch({ folder, namespace, server }, () => bell.ring());
  try {
    for (;;) {
      watch?.refresh();
      // What could not be fetched is tried again until the time is up.
      await receiveMessages(ports, { timeoutMs: Math.max(1, Math.min(REMOTE_TIMEOUT_MS, leftMs())), signal });
      const found = check();
      if (found !== null || leftMs() <= 0) return found;
      signal.throwIfAborted();
      await bell.wait(Math.min(leftMs(), watch === null ? POLL_MS : POLL_WATCHED_MS), ports.clock, signal);
    }
  } finally {
    watch?.close();
  }
}
