import { FleetError, messageOf } from "../base/errors.ts";
import type { RemoteOptions } from "../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { gatherHealth } from "../daemon/health-facts.ts";
import type { Mailbox } from "../daemon/open-mailbox.ts";
import { judgeHealth } from "../fleet/health/judge-health.ts";
import type { HealthReport } from "../fleet/health/model.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { DaemonStatus } from "../http/protocol.ts";
import { systemClock } from "../platform/clock.ts";
import type { Session } from "./session.ts";

/** A server as a command finds it: its monitor if one answers, its files if they can be opened, and the verdict. */
export interface JudgedServer {
  readonly daemon: DaemonStatus | null;
  readonly mailbox: Result<Mailbox>;
  readonly report: HealthReport;
}

/** Judges the server of a session. `ask`: how to ask the remote where no monitor does; null for not at all. */
export async function judgeServer(
  session: Session,
  settings: ServerSettings,
  ask: RemoteOptions | null,
): Promise<JudgedServer> {
  const daemon = await session.ask((client) => client.status());
  const mailbox = tryMailbox(session);
  const facts = await gatherHealth({ paths: session.paths, mailbox, daemon, ask });
  return { daemon, mailbox, report: judgeHealth(facts, settings.health, systemClock.wallMs()) };
}

/** The mailbox, or why it cannot be opened: a damaged state is something to tell, not to fail at. */
export function tryMailbox(session: Session): Result<Mailbox> {
  try {
    return ok(session.mailbox());
  } catch (thrown) {
    if (thrown instanceof FleetError) return fail(messageOf(thrown));
    throw thrown;
  }
}
