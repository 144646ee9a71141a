/**
 * What a daemon's events say: the one place where an event becomes words, for its console and for its log. Subjects and
 * bodies are not among them: a log is copied around, so it says which message and never what was in it.
 */
import { formatDuration } from "../base/duration.ts";
import { firstLineOf } from "../base/errors.ts";
import type { LogLevel, LogMetadata } from "../base/log-line.ts";
import { recipientsOf, shortId } from "../fleet/messaging/mailbox-queries.ts";
import type { MonitorEvent } from "./events.ts";
import { describeService } from "./log-service.ts";

/** An event in words. `title` is what happened, `detail` the rest of the sentence; texts of others are in both. */
export interface LoggedEvent {
  readonly level: LogLevel;
  readonly title: string;
  readonly detail: string;
  /** For whoever watches the console and never for the log: it may repeat what was in a message. */
  readonly aside?: string;
  readonly metadata: LogMetadata;
}

type EventOf<K extends MonitorEvent["kind"]> = Extract<MonitorEvent, { kind: K }>;

/** The sentence of a log line. */
export const messageOfEvent = ({ title, detail }: LoggedEvent): string =>
  detail === "" ? title : `${title}: ${detail}`;

/** Level and words of an event. A kind that is not here does not compile. */
export function describeEvent(event: MonitorEvent): LoggedEvent {
  switch (event.kind) {
    case "ready":
      return describeReady(event);
    case "message":
      return describeMessage(event);
    case "handler":
      return describeHandler(event);
    case "pushed":
      return line("INFO", "pushed", {
        detail: `${event.entries} ${event.entries === 1 ? "entry" : "entries"}, confirmed by the remote`,
        metadata: { entries: event.entries },
      });
    case "trouble":
      return line("ERROR", "trouble", {
        detail: `${event.during}: ${firstLineOf(event.detail)}; again in ${formatDuration(event.retryMs)}`,
        metadata: { during: event.during, detail: event.detail, retry_ms: Math.round(event.retryMs) },
      });
    case "refused":
      return describeRefused(event);
    case "recovered":
      return line("INFO", "recovered", {
        detail: `${event.during} works again`,
        metadata: { during: event.during },
      });
    case "breaker":
      return describeBreaker(event);
    case "quarantined":
      return line("WARNING", "quarantined", {
        detail: `${event.count} batch(es) that were not what they claim`,
        metadata: { batches: event.count },
      });
    case "notice":
      return line("WARNING", "notice", { detail: event.text });
    case "held":
      return line("CRITICAL", "held", { detail: event.detail, metadata: { reason: event.reason } });
    case "health":
      return describeHealth(event);
    case "configured":
      return describeConfigured(event);
    case "misconfigured":
      return line("ERROR", "misconfigured", {
        detail: `${event.detail}; what held before still holds`,
      });
    case "failed":
      return line("ERROR", "failed", { detail: event.detail });
    case "operation":
      return describeOperation(event);
    case "second-instance":
      return describeSecondInstance(event);
    case "service":
      return describeService(event);
    case "reexec":
      return describeReexec(event);
    case "stopping":
      return line("INFO", "stopping", {});
    case "crashed":
      return line("CRITICAL", "crashed", { detail: event.detail });
  }
}

function line(level: LogLevel, title: string, rest: Partial<LoggedEvent>): LoggedEvent {
  return { level, title, detail: "", metadata: {}, ...rest };
}

function describeReady({ remote, socket, version, pid, settings }: EventOf<"ready">): LoggedEvent {
  return line("INFO", "ready", {
    detail: remote,
    metadata: {
      version,
      pid,
      remote,
      socket,
      interval_ms: settings.intervalMs,
      auto_reply: settings.autoReply,
      log_level: settings.logLevel,
      groups: settings.groups,
    },
  });
}

/** What became of a message that a program of this machine was given. What it wrote to stderr is told when it failed. */
function describeHandler(event: EventOf<"handler">): LoggedEvent {
  const { state, exitCode, reason, replyId, silence } = event;
  const failed = state === "parked" || exitCode !== 0;
  const level = state === "parked" ? "ERROR" : failed ? "WARNING" : "INFO";
  const title = state === "done" ? `handled(${exitCode})` : state === "queued" ? "runs again" : "parked";
  const stderr = failed ? firstLineOf(event.stderr.trim()) : "";
  const words = [
    `${event.rule}, ${shortId(event.id)} of ${event.from}`,
    event.durationMs === null ? "" : `after ${formatDuration(event.durationMs)}`,
    reason,
    replyId === null ? "" : `answered ${shortId(replyId)}`,
    replyId !== null || silence === null ? "" : `not answered: ${silence}`,
  ];
  const { id, from, rule, attempt } = event;
  return line(level, title, {
    detail: words.filter((one) => one !== "").join(", "),
    ...(stderr === "" ? {} : { aside: `stderr: ${stderr}` }),
    metadata: {
      id,
      from,
      rule,
      attempt,
      state,
      exit_code: exitCode,
      ...(event.durationMs === null ? {} : { duration_ms: Math.round(event.durationMs) }),
      ...(replyId === null ? { silence } : { reply_id: replyId }),
    },
  });
}

function describeRefused({ entries, dead, detail }: EventOf<"refused">): LoggedEvent {
  const what = `${entries} ${entries === 1 ? "entry" : "entries"}: ${firstLineOf(detail)}`;
  const end = dead === 0 ? "tried again later" : `${dead} dead, see "fleetd queue list"`;
  return line("ERROR", "refused", { detail: `${what}; ${end}`, metadata: { entries, dead, detail } });
}

function describeBreaker({ state, openForMs, detail }: EventOf<"breaker">): LoggedEvent {
  const metadata = { state };
  if (state === "closed")
    return line("INFO", "breaker", { detail: "closed: the remote works again", metadata });
  if (state === "half-open")
    return line("WARNING", "breaker", { detail: "half-open: trying the remote again", metadata });
  const pause = `the remote is left alone for ${formatDuration(openForMs)}, or until the network is back`;
  return line("ERROR", "breaker", {
    detail: `open, ${pause}: ${firstLineOf(detail)}`,
    metadata: { ...metadata, open_for_ms: openForMs, detail },
  });
}

/** What is well again is no warning. */
function describeHealth({ verdict, was, problems }: EventOf<"health">): LoggedEvent {
  const level = ({ ok: "INFO", warn: "WARNING", unknown: "WARNING", critical: "ERROR" } as const)[verdict];
  const detail = verdict === "ok" ? "all is well again" : `${verdict}: ${problems.join("; ")}`;
  return line(level, "health", { detail, metadata: { verdict, was, problems } });
}

function describeConfigured({ file, changes }: EventOf<"configured">): LoggedEvent {
  const said = changes.map(
    ({ key, before, after, restart }) =>
      `${key} ${before} -> ${after}${restart ? " (needs a restart of the monitor)" : ""}`,
  );
  const nothing = `nothing changed (${file ?? "no file, the defaults"})`;
  return line("INFO", "configured", {
    detail: said.length === 0 ? nothing : said.join(", "),
    metadata: { file, changed: changes.map(({ key }) => key) },
  });
}

/** A tripped budget is an event, "no rule" is not; what is older than this server is only history. */
function describeMessage({ handled }: EventOf<"message">): LoggedEvent {
  const { message, replyId, silence, direct } = handled;
  const way = `${message.from} → ${recipientsOf(message)}, ${shortId(message.id)}`;
  const budget = silence?.startsWith("budget-") === true ? silence.slice("budget-".length) : null;
  const level = budget !== null ? "WARNING" : silence === "history" ? "DEBUG" : "INFO";
  const answered = replyId === null ? "" : `, answered ${shortId(replyId)}`;
  const notAnswered = budget === null ? "" : `, not answered: the budget per ${budget} is spent`;
  return line(level, "message", {
    detail: `${way}${answered}${notAnswered}`,
    metadata: {
      id: message.id,
      from: message.from,
      to: message.to,
      kind: message.kind ?? "info",
      priority: message.priority ?? "normal",
      direct,
      ...(replyId === null ? { silence } : { reply_id: replyId }),
    },
  });
}

function describeSecondInstance({ pid, argv, cwd }: EventOf<"second-instance">): LoggedEvent {
  const called = ["fleetd", ...argv].join(" ");
  const shown = called.length > CALL_SHOWN_MAX ? `${called.slice(0, CALL_SHOWN_MAX)}…` : called;
  return line("WARNING", "second instance", {
    detail: `a second monitor was started: ${shown} (pid ${pid}, in ${cwd}); it ended, this one goes on`,
    metadata: { pid, argv, cwd },
  });
}

function describeReexec(event: EventOf<"reexec">): LoggedEvent {
  if (event.state === "failed") {
    return line("ERROR", "not replaced", { detail: `${event.detail}; the program before goes on` });
  }
  const { state, from, to } = event;
  const title = state === "begins" ? "being replaced" : "replaced";
  return line("INFO", title, { detail: `${from} by ${to}, in the same process`, metadata: { from, to } });
}

/** A line of a log should be one that can be read; the rest is in its metadata. Chosen. */
const CALL_SHOWN_MAX = 200;

function describeOperation({ type, durationMs, success, metadata }: EventOf<"operation">): LoggedEvent {
  return line("DEBUG", type, {
    detail: `${success ? "done" : "failed"} after ${formatDuration(durationMs)}`,
    metadata: { duration_ms: Math.round(durationMs * 1000) / 1000, success, ...metadata },
  });
}
