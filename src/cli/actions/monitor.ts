import { formatDuration } from "../../base/duration.ts";
import { firstLineOf } from "../../base/errors.ts";
import type { MonitorEvent } from "../../daemon/events.ts";
import { initServer } from "../../daemon/init-server.ts";
import { openMailbox } from "../../daemon/open-mailbox.ts";
import { runMonitor } from "../../daemon/run-monitor.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { type ServerPaths, serverFolders, serverPaths } from "../../platform/paths.ts";
import { commandSignal } from "../command-signal.ts";
import { renderLine } from "../message-views.ts";
import { openAnswerStream } from "../output/print-answer.ts";
import { type SafeText, safe } from "../output/safe-text.ts";
import type { Style } from "../output/style.ts";
import { openStyle } from "../output/terminal.ts";
import { loadSettings, requireServer, type Settings } from "../settings.ts";
import { VERSION } from "../version.ts";
import { chooseRemote, chooseServerId } from "./init.ts";

/** The arguments of `monitor`, as typed. */
export interface MonitorArguments {
  readonly repo: string | undefined;
  readonly remote: string | undefined;
  readonly interval: string | undefined;
  readonly autoReply: boolean | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Runs the daemon in the foreground until it is told to stop: a banner, then a line per event. */
export async function monitor(args: MonitorArguments): Promise<void> {
  const settings = await loadSettings(args);
  const running =
    args.autoReply === undefined
      ? settings.running
      : { ...settings.running, auto_reply: { ...settings.running.auto_reply, enabled: args.autoReply } };
  const paths = await ensureServer(settings, args);
  const mailbox = openMailbox(paths);
  const stream = openAnswerStream();
  const style = openStyle(args);
  const { identity } = mailbox;
  const key = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
  const printBanner = (): void => {
    stream.text(
      safe`${style.bold("fleetd")} ${VERSION}  server ${style.bold(identity.server)}  fleet ${identity.fleet}`,
    );
    stream.text(
      safe`${style.dim(`key ${key}, a look every ${formatDuration(running.interval)}, Ctrl-C stops`)}`,
    );
  };
  const print = (event: MonitorEvent): void => {
    if (args.json) {
      stream.json("monitor", toJson(event));
      return;
    }
    // A monitor that cannot start says only why.
    if (event.kind === "ready") printBanner();
    stream.text(safe`${style.dim(new Date().toISOString().slice(11, 19))}  ${renderEvent(event, style)}`);
  };
  try {
    await runMonitor(mailbox, {
      version: VERSION,
      settings: () => running,
      report: print,
      signal: commandSignal(),
    });
  } finally {
    await mailbox.close();
  }
}

/** The server to run; where none was made yet, it is made first. */
async function ensureServer(settings: Settings, args: MonitorArguments): Promise<ServerPaths> {
  const made = serverFolders(settings.root);
  if (settings.server === null && made.length > 0) return requireServer(settings);
  const server = chooseServerId(settings);
  if (made.includes(server)) return serverPaths(settings.root, server);
  const remote = await chooseRemote(args, settings);
  const request = { root: settings.root, server, remote, version: VERSION, signal: commandSignal() };
  return (await initServer(request)).paths;
}

function toJson(event: MonitorEvent): Record<string, unknown> {
  const at = new Date().toISOString();
  if (event.kind !== "message") return { at, ...event };
  const { message, replyId, silence } = event.handled;
  return { at, kind: "message", message: { ...message }, reply_id: replyId, silence };
}

function renderEvent(event: MonitorEvent, style: Style): SafeText {
  switch (event.kind) {
    case "ready":
      return safe`${style.green("ready")}  ${event.remote}`;
    case "message":
      return renderHandled(event, style);
    case "pushed":
      return safe`${style.green("pushed")}  ${event.entries} ${event.entries === 1 ? "entry" : "entries"}, confirmed by the remote`;
    case "trouble":
      return safe`${style.red("trouble")}  ${event.during}: ${firstLineOf(event.detail)}; again in ${formatDuration(event.retryMs)}`;
    case "refused":
      return renderRefused(event, style);
    case "recovered":
      return safe`${style.green("recovered")}  ${event.during} works again`;
    case "quarantined":
      return safe`${style.yellow("quarantined")}  ${event.count} batch(es) that were not what they claim`;
    case "notice":
      return safe`${style.yellow("notice")}  ${event.text}`;
    case "failed":
      return safe`${style.red("failed")}  ${event.detail}`;
    case "stopping":
      return safe`stopping`;
  }
}

function renderRefused(event: Extract<MonitorEvent, { kind: "refused" }>, style: Style): SafeText {
  const { entries, dead, detail } = event;
  const what = `${entries} ${entries === 1 ? "entry" : "entries"}: ${firstLineOf(detail)}`;
  const end = dead === 0 ? "tried again later" : `${dead} dead, see "fleetd queue list"`;
  return safe`${style.red("refused")}  ${what}; ${end}`;
}

/** Silences worth telling: a tripped budget is an event, "no rule" is not. */
function renderHandled({ handled }: Extract<MonitorEvent, { kind: "message" }>, style: Style): SafeText {
  const { message, replyId, silence } = handled;
  const line = renderLine(message, style);
  if (replyId !== null) return safe`${line}  ${style.green(`answered ${shortId(replyId)}`)}`;
  if (silence?.startsWith("budget-") === true) {
    return safe`${line}  ${style.yellow(`not answered: the budget per ${silence.slice("budget-".length)} is spent`)}`;
  }
  return line;
}
