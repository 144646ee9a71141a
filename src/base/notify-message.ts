/** What one message over `NOTIFY_SOCKET` says (sd_notify). Null or false: it says nothing of the kind. */
export interface NotifyMessage {
  readonly isReady: boolean;
  readonly isReloading: boolean;
  readonly isStopping: boolean;
  /** One line for people; hostile text, at most 200 characters. */
  readonly status: string | null;
  /** `alive`: the sign of life. `trigger`: the service says that it is not well. */
  readonly watchdog: "alive" | "trigger" | null;
}

const STATUS_LENGTH_MAX = 200;

/** Reads a message; lines that are none, and those of others, are passed over. `MAINPID` is: who it is was seen. */
export function parseNotifyMessage(text: string): NotifyMessage {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  const watchdog = values.get("WATCHDOG");
  return {
    isReady: values.get("READY") === "1",
    isReloading: values.get("RELOADING") === "1",
    isStopping: values.get("STOPPING") === "1",
    status: values.get("STATUS")?.slice(0, STATUS_LENGTH_MAX) ?? null,
    watchdog: watchdog === "1" ? "alive" : watchdog === "trigger" ? "trigger" : null,
  };
}
