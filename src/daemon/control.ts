/** What the daemon does when a command asks it over the control socket. */
import { FleetError, requireOk } from "../base/errors.ts";
import { withoutCredentials } from "../base/log-line.ts";
import type { EntryDraft } from "../fleet/messaging/build-batch.ts";
import { findById } from "../fleet/messaging/mailbox-queries.ts";
import { markMessage } from "../fleet/messaging/mark-message.ts";
import { enqueue } from "../fleet/messaging/outbox.ts";
import { holdOf } from "../fleet/messaging/own-alarms.ts";
import { unknownAmong } from "../fleet/messaging/peers.ts";
import { draftMessage } from "../fleet/messaging/send-message.ts";
import { untakenAmong } from "../fleet/messaging/trust-view.ts";
import type {
  DaemonStatus,
  MarkCall,
  RemoteDown,
  RemoteStatus,
  SendAnswer,
  SendCall,
} from "../http/protocol.ts";
import { type ControlServer, startControlServer } from "../http/server/control-server.ts";
import { clearSocket, makeSocketFolder, protectSocket } from "../platform/socket.ts";
import type { MonitorContext } from "./monitor-context.ts";
import { reloadConfiguration } from "./reload-configuration.ts";
import { serviceHandlers } from "./supervision/service-control.ts";
import { servicesFacts } from "./supervision/services-facts.ts";

/** Receipts may wait this long, on a remote that is asked over a network and on one that is a folder. */
const RECEIPTS_WITHIN_MS = { network: 30_000, folder: 1_000 };

/** How long after its answers a group of messages is pushed: enough for the answers to leave. Chosen, not measured. */
const PUSH_AFTER_ANSWER_MS = 2;

/** Opens the control socket. The caller holds the daemon's lock, so nobody else listens there. */
export function openControl(context: MonitorContext): ControlServer {
  const { daemon, mailbox, options, signal } = context;
  makeSocketFolder(mailbox.paths.socket);
  clearSocket(mailbox.paths.socket);
  const send = groupCommits(context);
  const control = startControlServer(mailbox.paths.socket, {
    status: () => daemonStatus(context),
    send,
    reload: () => reloadConfiguration(context),
    reexec: () => context.reexec.request(),
    mark: (call) => ({ changed: mark(context, call) }),
    push: () => {
      daemon.pushBell.ring();
      daemon.bump();
      return { server: mailbox.identity.server };
    },
    secondInstance: (call) => {
      // What somebody typed may hold the password of a remote.
      const argv = call.argv.map(withoutCredentials);
      options.report({ kind: "second-instance", ...call, argv });
      return { pid: process.pid };
    },
    services: serviceHandlers(context, () => context.supervision.get()),
    changes: async (call) => {
      // Nothing is pushed while this server is held, so whoever waits for a push need not.
      const waitMs = heldDown(context) === null ? call.timeoutMs : Math.min(call.timeoutMs, HELD_WAIT_MS);
      const revision = await daemon.waitForChange(call.since, waitMs, signal);
      return { revision, down: heldDown(context) ?? context.gate.down };
    },
  });
  protectSocket(mailbox.paths.socket);
  return control;
}

/** Soon enough for a person, and rarely enough for one who asks again and again. */
const HELD_WAIT_MS = 250;

/** What holds this server is news to whoever waits for a push. */
function heldDown({ mailbox }: MonitorContext): RemoteDown | null {
  const hold = holdOf(mailbox.state);
  return hold === null ? null : { why: hold.detail, sinceWallMs: hold.firstWallMs };
}

/** What the running monitor says of itself. */
export function daemonStatus(context: MonitorContext): DaemonStatus {
  const { daemon, machine, mailbox, options } = context;
  const supervised = context.supervision.opened;
  return {
    pid: process.pid,
    version: options.version,
    server: mailbox.identity.server,
    startedWallMs: daemon.startedWallMs,
    revision: daemon.revision,
    lastFetchWallMs: daemon.lastFetchWallMs,
    lastPushWallMs: daemon.lastPushWallMs,
    trouble: daemon.trouble,
    autoReplies: daemon.autoReplies,
    remote: remoteStatus(context),
    holdsMachine: machine.holds(),
    health: daemon.health,
    services: supervised === null ? null : servicesFacts(supervised.views()),
    clockJump: daemon.clockJump,
    before:
      options.inherited === null
        ? null
        : { version: options.inherited.from, failed: options.inherited.failed },
  };
}

function remoteStatus({ daemon, gate, sendPorts: { clock } }: MonitorContext): RemoteStatus {
  const { breaker, budget } = gate;
  const agoMs = breaker.kind === "closed" ? null : clock.monotonicMs() - breaker.sinceMs;
  return {
    down: gate.down,
    breaker: {
      state: breaker.kind,
      failures: breaker.kind === "closed" ? breaker.failures : 0,
      sinceWallMs: agoMs === null ? null : clock.wallMs() - agoMs,
      refusesForMs: gate.refusesForMs,
      causes: breaker.causes,
      counts: breaker.counts,
    },
    check: gate.lastCheck,
    cycles: gate.cycles,
    pushBudget: { holds: budget.holds, waitMs: gate.pushWaitMs },
    heartbeats: daemon.heartbeats,
  };
}

/** Messages that arrive together share one wait for the disk. */
function groupCommits(context: MonitorContext): (call: SendCall) => Promise<SendAnswer> {
  const { daemon, mailbox, sendPorts } = context;
  let waiting: { draft: EntryDraft; resolve: (isNew: boolean) => void; reject: (thrown: unknown) => void }[] =
    [];
  const commit = (): void => {
    const group = waiting;
    waiting = [];
    try {
      const nowMs = sendPorts.clock.wallMs();
      const added = mailbox.state.transaction(() =>
        group.map(({ draft }) => enqueue(mailbox.state, draft, nowMs)),
      );
      for (const [position, { resolve }] of group.entries()) resolve(added[position] === true);
    } catch (thrown) {
      for (const { reject } of group) reject(thrown);
    }
    // The answers leave first: whoever sends waits for them, and starting a push keeps this thread for milliseconds.
    setTimeout(() => daemon.pushBell.ring(), PUSH_AFTER_ANSWER_MS);
  };
  return async (call) => {
    const from = {
      server: mailbox.identity.server,
      clock: sendPorts.clock,
      cryptography: sendPorts.cryptography,
    };
    const draft = requireOk("USAGE", draftMessage(call, from));
    const isNew = await new Promise<boolean>((resolve, reject) => {
      if (waiting.length === 0) setImmediate(commit);
      waiting.push({ draft, resolve, reject });
    });
    const { server } = mailbox.identity;
    if (call.to.some((one) => one !== "all")) daemon.noteConversation();
    else daemon.noteArrival();
    const untaken = untakenAmong(sendPorts, call.to);
    return { id: draft.id, isNew, server, unknown: unknownAmong(mailbox, call.to), untaken };
  };
}

function mark({ daemon, mailbox, sendPorts, receivePorts }: MonitorContext, call: MarkCall): boolean {
  const found = findById(receivePorts.index, call.id).find(({ message }) => message.from === call.from);
  if (found === undefined)
    throw new FleetError("BAD_INPUT", `Cannot mark message "${call.id}": it is not here`);
  const changed = markMessage({ ...sendPorts, state: mailbox.state }, found, call.state);
  if (changed) {
    const withinMs =
      sendPorts.remote.folder === null ? RECEIPTS_WITHIN_MS.network : RECEIPTS_WITHIN_MS.folder;
    daemon.wantReceipts(call.state === "acked" ? 0 : withinMs);
    daemon.bump();
  }
  return changed;
}
