import { errorCodeOf, messageOf } from "../base/errors.ts";
import { noteLook } from "../fleet/messaging/last-look.ts";
import type { ReceivePorts } from "../fleet/messaging/mailbox-ports.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { ingestStore, receiveMessages } from "../fleet/messaging/receive-messages.ts";
import { tightenTrustPolicy } from "../fleet/messaging/trust.ts";
import { isDamage } from "../platform/sqlite-database.ts";
import { commandSignal } from "./command-signal.ts";
import { printNotice } from "./output/print-answer.ts";
import { REMOTE_TIMEOUT_MS, type Session } from "./session.ts";

/**
 * Makes the index current for a command that reads. A daemon keeps it so; without one the command looks at the remote
 * itself, and says on stderr when it could not, since what it shows may be old then.
 */
export async function refreshIndex(session: Session, options: { readonly offline: boolean }): Promise<void> {
  const ports = session.mailbox().receivePorts();
  try {
    await refresh(session, ports, options);
  } catch (thrown) {
    // On a full disk nothing new can be noted, and what is here can be read all the same.
    if (errorCodeOf(thrown) !== "IO" || isDamage(thrown)) throw thrown;
    printNotice(`${messageOf(thrown)}; showing what is here already`);
  }
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
    return;
  }
  // A look that Ctrl-C ended is no trouble of the remote.
  commandSignal().throwIfAborted();
  await ingestStore(ports);
  printNotice(
    `Cannot look at "${ports.remote.displayUrl}": ${received.error.kind}; showing what is here already`,
  );
}
