import { formatDuration } from "../../base/duration.ts";
import { isAtLeast } from "../../base/log-line.ts";
import { leastLevel } from "../../daemon/daemon-log.ts";
import type { MonitorEvent } from "../../daemon/events.ts";
import { initServer } from "../../daemon/init-server.ts";
import { describeEvent } from "../../daemon/log-event.ts";
import { openMailbox } from "../../daemon/open-mailbox.ts";
import { runMonitor } from "../../daemon/run-monitor.ts";
import { shortId } from "../../fleet/messaging/mailbox-queries.ts";
import { fingerprintOf, fromOpenSsh } from "../../fleet/messaging/ssh-signature.ts";
import { systemCryptography } from "../../platform/cryptography.ts";
import { forgetHangups } from "../../platform/hangup.ts";
import { takeInherited } from "../../platform/kept-files.ts";
import { type ServerPaths, serverFolders, serverPaths } from "../../platform/paths.ts";
import { commandSignal } from "../command-signal.ts";
import { liveSettings } from "../live-settings.ts";
import { renderLine } from "../message-views.ts";
import { paintOf } from "../output/log-view.ts";
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
export async function monitor(given: MonitorArguments): Promise<void> {
  const inherited = takeInherited();
  if (inherited !== null) forgetHangups();
  const args = { ...given, server: given.server ?? inherited?.server ?? undefined };
  const settings = await loadSettings(args);
  const live = liveSettings(settings, args);
  const paths = await ensureServer(settings, args);
  let mailbox = openMailbox(paths);
  const stream = openAnswerStream();
  const style = openStyle(args);
  const { identity } = mailbox;
  const key = fingerprintOf(fromOpenSsh(identity.publicKey) ?? new Uint8Array(32), systemCryptography);
  const printBanner = (): void => {
    stream.text(
      safe`${style.bold("fleetd")} ${VERSION}  server ${style.bold(identity.server)}  fleet ${identity.fleet}`,
    );
    stream.text(
      safe`${style.dim(`key ${key}, a look every ${formatDuration(live.now().interval)}, Ctrl-C stops`)}`,
    );
  };
  const print = (event: MonitorEvent): void => {
    if (!isAtLeast(describeEvent(event).level, leastLevel(live.now()))) return;
    if (args.json) {
      stream.json("monitor", toJson(event));
      return;
    }
    // A monitor that cannot start says only why.
    if (event.kind === "ready") printBanner();
    stream.text(safe`${style.dim(new Date().toISOString().slice(11, 19))}  ${renderEvent(event, style)}`);
  };
  const options = {
    version: VERSION,
    settings: live.now,
    reload: live.reload,
    report: print,
    signal: commandSignal(),
    check: checkWords(args),
  };
  try {
    let next = await runMonitor(mailbox, { ...options, inherited });
    // It could not become another program, and goes on.
    while (next !== null) {
      mailbox = openMailbox(paths);
      next = await runMonitor(mailbox, { ...options, inherited: next });
    }
  } finally {
    await mailbox.close();
  }
}

/** The words that ask a program of fleetd whether it is content with the configuration of this monitor. */
function checkWords({ config, server }: MonitorArguments): string[] {
  const flags = Object.entries({ config, server });
  return [
    "config",
    "check",
    ...flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
  ];
}

/** The server to run; where none was made yet, it is made first. */
async function ensureServer(settings: Settings, args: MonitorArguments): Promise<ServerPaths> {
  const made = serverFolders(settings.root);
  if (settings.server === null && made.length > 0) return requireServer(settings);
  const server = chooseServerId(settings);
  if (made.includes(server)) return serverPaths(settings.root, server);
  const remote = await chooseRemote(args, settings);
  const request = {
    root: settings.root,
    server,
    remote,
    version: VERSION,
    settings: settings.running,
    signal: commandSignal(),
  };
  return (await initServer(request)).paths;
}

function toJson(event: MonitorEvent): Record<string, unknown> {
  const at = new Date().toISOString();
  if (event.kind !== "message") return { at, ...event };
  const { message, replyId, silence } = event.handled;
  return { at, kind: "message", message: { ...message }, reply_id: replyId, silence };
}

function renderEvent(event: MonitorEvent, style: Style): SafeText {
  if (event.kind === "message") return renderHandled(event, style);
  const { level, title, detail, aside } = describeEvent(event);
  const paint = paintOf(level, style);
  const words = [detail, aside ?? ""].filter((one) => one !== "").join(", ");
  return words === "" ? paint(title) : safe`${paint(title)}  ${words}`;
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
