import { FleetError, requireOk } from "../base/errors.ts";
import type { Database } from "../base/ports/database.ts";
import { flushNow } from "../daemon/flush-now.ts";
import { type Mailbox, openMailbox } from "../daemon/open-mailbox.ts";
import { isIndexDamage } from "../daemon/renewable-index.ts";
import { serverFacts } from "../daemon/server-facts.ts";
import type { EntryDraft } from "../fleet/messaging/build-batch.ts";
import type { FlushOutcome } from "../fleet/messaging/flush-outbox.ts";
import { holdOf } from "../fleet/messaging/own-alarms.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { ControlClient } from "../http/client/control-client.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { askDaemon } from "./ask-daemon.ts";
import { commandSignal } from "./command-signal.ts";
import { printNotice } from "./output/print-answer.ts";
import type { SettingFlags } from "./setting-sources.ts";
import { loadSettings, requireServer } from "./settings.ts";
import { VERSION } from "./version.ts";

/** How long a command without a daemon waits for the remote, unless it was told otherwise. */
export const REMOTE_TIMEOUT_MS = 10_000;

/** One command's dealings with its server: through the daemon where one answers, else by itself. */
export interface Session {
  readonly paths: ServerPaths;
  readonly settings: ServerSettings;
  mailbox(): Mailbox;
  /**
   * Asks the daemon; null when there is none. @throws FleetError what the daemon answered
   */
  ask<T>(call: (daemon: ControlClient) => Promise<T>): Promise<T | null>;
  /** Pushes in this process whatever waits, `drafts` included; that this server is held is an answer, too. */
  flush(drafts: readonly EntryDraft[], timeoutMs: number): Promise<FlushOutcome>;
  /** Says that a message of this command is durable, and asks whether one is: what follows is not to be done twice. */
  noteSent(): void;
  hasSent(): boolean;
  close(): Promise<void>;
}

/** Opens the session of the server that the flags, the environment or the only folder name. */
export async function openSession(flags: SettingFlags): Promise<Session> {
  const settings = await loadSettings(flags);
  return sessionOf(requireServer(settings), settings.running);
}

/** The session of one server by its files. */
export function sessionOf(paths: ServerPaths, settings: ServerSettings): Session {
  let opened: Mailbox | null = null;
  let isSent = false;
  const mailbox = (): Mailbox => {
    opened ??= openMailbox(paths);
    return opened;
  };
  return {
    paths,
    settings,
    mailbox,
    ask: (call) => askDaemon(paths.socket, call),
    async flush(drafts, timeoutMs) {
      const facts = serverFacts(VERSION, settings, null);
      const request = { drafts, facts, rules: settings, timeoutMs, signal: commandSignal() };
      const outcome = await flushNow(mailbox(), request).catch((thrown: unknown) =>
        toHeld(mailbox().state, thrown),
      );
      for (const notice of outcome.notices) printNotice(`fleetd: ${notice}`);
      return outcome;
    },
    noteSent() {
      isSent = true;
    },
    hasSent: () => isSent,
    async close() {
      await opened?.close();
    },
  };
}

/** What stops this server stops no message that is safe here; `holdOf` says more. */
function toHeld(state: Database, thrown: unknown): FlushOutcome {
  const hold = thrown instanceof FleetError && thrown.code === "NOT_AUTHORISED" ? holdOf(state) : null;
  if (hold === null) throw thrown;
  const failure = { kind: "unauthorised", detail: hold.detail } as const;
  return { status: "waiting", failure, entries: 0, notices: [] };
}

/** Runs `body` with a session and closes it whatever happens. */
export async function withSession<T>(
  flags: SettingFlags,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(flags);
  try {
    return await withWholeIndex(session, () => body(session));
  } finally {
    await session.close();
  }
}

/**
 * Runs `look`, and runs it again with an index that was made anew where it met a damaged one. What was sent meanwhile is
 * not sent again: then the failure is told, and the next command finds a whole index.
 */
export async function withWholeIndex<T>(session: Session, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (thrown) {
    if (session.hasSent() || !renewIndex(session, thrown)) throw thrown;
  }
  const { ingestStore } = await import("../fleet/messaging/receive-messages.ts");
  await ingestStore(session.mailbox().receivePorts());
  return await look();
}

/** Begins the index anew where `thrown` says that it is damaged, and tells so; false for any other failure. */
export function renewIndex(session: Session, thrown: unknown): boolean {
  if (!isIndexDamage(thrown)) return false;
  const index = session.mailbox().index();
  index.noteDamage(thrown);
  index.renew();
  printNotice(`fleetd: ${session.paths.index} was damaged and is made anew`);
  return true;
}

/** A whole number of a flag. @throws FleetError USAGE */
export function parseCount(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new FleetError("USAGE", `Cannot read --${flag} "${text}": need a whole number of at least 1`);
}

/** The value of a `Result` that came of what was typed. */
export const typed = <T>(result: Parameters<typeof requireOk<T>>[1]): T => requireOk("USAGE", result);
