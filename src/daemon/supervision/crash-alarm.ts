import { requireOk } from "../../base/errors.ts";
import { enqueue } from "../../fleet/messaging/outbox.ts";
import { draftMessage } from "../../fleet/messaging/send-message.ts";
import { describeEnd } from "../../fleet/supervisor/decide-restart.ts";
import type { MonitorEvent } from "../events.ts";
import type { MonitorContext, MonitorOptions } from "../monitor-context.ts";

/** What an alarm needs of the monitor. */
interface AlarmContext extends Pick<MonitorContext, "daemon"> {
  readonly mailbox: Pick<MonitorContext["mailbox"], "identity" | "state">;
  readonly options: Pick<MonitorOptions, "settings">;
  readonly sendPorts: Pick<MonitorContext["sendPorts"], "clock" | "cryptography">;
}

/**
 * Tells the fleet of a crash loop: one message to those whom `supervisor.notify` names, for each loop that begins. It says
 * that no person wrote it, so nobody answers it automatically.
 */
export function alarmFleet({ mailbox, daemon, options, sendPorts }: AlarmContext, event: MonitorEvent): void {
  if (event.kind !== "service" || event.report.kind !== "looping") return;
  const { notify } = options.settings().supervisor;
  if (notify.length === 0) return;
  const { clock, cryptography } = sendPorts;
  const { server } = mailbox.identity;
  const { why, failures } = event.report;
  const request = {
    to: notify,
    subject: `Service ${event.name} of ${server} is in a crash loop`,
    body: `It failed ${failures} times in a row, the last time: ${describeEnd(why)}. It is tried again slowly.`,
    kind: "error",
    priority: "high",
  };
  const draft = requireOk("CONFIG", draftMessage(request, { server, clock, cryptography }));
  const body = draft.body.type === "message" ? { ...draft.body, auto: true } : draft.body;
  mailbox.state.transaction(() => enqueue(mailbox.state, { ...draft, body }, clock.wallMs()));
  daemon.noteConversation();
  daemon.pushBell.ring();
}
