import { errorCodeOf, FleetError, messageOf } from "../base/errors.ts";
import { freshAlarms } from "../fleet/messaging/index-troubles.ts";
import { UNREADABLE, UNREADABLE_CARD } from "../fleet/messaging/ingest-log.ts";
import { noteLook } from "../fleet/messaging/last-look.ts";
import type { ReceivePorts } from "../fleet/messaging/mailbox-ports.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { ingestStore, receiveMessages } from "../fleet/messaging/receive-messages.ts";
import { tightenTrustPolicy } from "../fleet/messaging/trust.ts";
import { isDamage } from "../platform/sqlite-database.ts";
import { commandSignal } from "./command-signal.ts";
import { printNotice } from "./output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, renewIndex, type Session } from "./session.ts";

/**
 * Makes the index current for a command that reads. A daemon keeps it so; without one the command looks at the remote
 * itself, and says on stderr when it could not, since what it shows may be old then.
 */
export async function refreshIndex(session: Session, options: { readonly offline: boolean }): Promise<void> {
  try {
    await refreshOrTell(session, options);
  } catch (thrown) {
    // Here nothing was read yet that would have to fit what comes.
    if (!renewIndex(session, thrown)) throw thrown;
    await refreshOrTell(session, options);
  }
}

async function refreshOrTell(session: Session, options: { readonly offline: boolean }): Promise<void> {
  await mendBrokenStore(session);
  try {
    await refresh(session, session.mailbox().receivePorts(), options);
  } catch (thrown) {
    // On a full disk nothing new can be noted, and what is here can be read all the same.
    if (errorCodeOf(thrown) !== "IO" || isDamage(thrown)) throw thrown;
    printNotice(`${messageOf(thrown)}; showing what is here already`);
  }
}

/** Whether git failed for damage in the store, and that is mended now. */
async function isMended(session: Session): Promise<boolean> {
  const { mendStore } = await import("../daemon/mend-store.ts");
  const ask = { timeoutMs: REMOTE_TIMEOUT_MS, signal: commandSignal() };
  const { notices, outcome } = await mendStore(session.mailbox(), ask);
  for (const text of notices) printNotice(`fleetd: ${text}`);
  return outcome === "mended";
}

/**
 * What could not be read for the first time may be damage here: that is said, and mended once. As long as an alarm stands
 * it is the doctor's, since a stranger may have put on the remote what nobody can read.
 */
async function mendUnread(session: Session, ports: ReceivePorts): Promise<void> {
  const alarms = freshAlarms(ports.index, [UNREADABLE, UNREADABLE_CARD]);
  for (const { server, detail } of alarms) printNotice(`What ${server} wrote cannot be read: ${detail}`);
  if (alarms.length === 0) return;
  try {
    if (await isMended(session)) await ingestStore(ports);
  } catch (thrown) {
    if (!(thrown instanceof FleetError) || isDamage(thrown)) throw thrown;
    printNotice(`The store cannot be mended now: ${messageOf(thrown)}; later: fleetd doctor --fix --yes`);
  }
}

/** A store that git cannot open is put in order first; without one there is nothing to look at. */
async function mendBrokenStore(session: Session): Promise<void> {
  const mailbox = session.mailbox();
  const { findStoreProblem } = await import("../platform/git/inspect-store.ts");
  if (findStoreProblem(mailbox.paths.store, mailbox.identity.format) === null) return;
  const { mendStore } = await import("../daemon/mend-store.ts");
  const ask = { timeoutMs: REMOTE_TIMEOUT_MS, signal: commandSignal() };
  for (const text of (await mendStore(mailbox, ask)).notices) printNotice(`fleetd: ${text}`);
}

async function refresh(
  session: Session,
  ports: ReceivePorts,
  options: { readonly offline: boolean },
): Promise<void> {
  const daemon = await session.ask((client) => client.status());
  // Where no daemon receives for this server, its groups and whom it trusts are those of whoever looks.
  if (daemon === null) {
    setOwnGroups(ports.state, session.settings.groups);
    tightenTrustPolicy(ports.state, session.settings.trust);
  }
  if (daemon !== null || options.offline) {
    await ingestStore(ports);
    return;
  }
  const timeoutMs = REMOTE_TIMEOUT_MS;
  const received = await receiveMessages(ports, { timeoutMs, signal: commandSignal() });
  if (received.ok) {
    noteLook(ports.state, ports.clock.wallMs());
    await mendUnread(session, ports);
    return;
  }
  // A look that Ctrl-C ended is no trouble of the remote.
  commandSignal().throwIfAborted();
  if (received.error.kind === "failed" && (await isMended(session))) {
    const again = await receiveMessages(ports, { timeoutMs, signal: commandSignal() });
    if (again.ok) return;
  }
  await ingestStore(ports);
  printNotice(
    `Cannot look at "${ports.remote.displayUrl}": ${received.error.kind}; showing what is here already`,
  );
}
