import { causedBy, type ErrorCode, EXIT_CODES, FleetError } from "../../base/errors.ts";
import {
  type ChangesAnswer,
  type ChangesCall,
  type DaemonStatus,
  type MarkAnswer,
  type MarkCall,
  PATHS,
  type PushAnswer,
  REQUEST_BYTES_MAX,
  type ReexecAnswer,
  type ReloadAnswer,
  type SecondInstanceAnswer,
  type SecondInstanceCall,
  type SendAnswer,
  type SendCall,
} from "../protocol.ts";
import {
  type ActAnswer,
  type ActCall,
  type AdoptCall,
  type DetailAnswer,
  type DetailCall,
  FRESH_QUERY,
  type GiveCall,
  type ReplaceAnswer,
  type ReplaceCall,
  SERVICE_PATHS,
  type ServicesAnswer,
} from "../service-protocol.ts";

/** A daemon that answers on its control socket. Every call throws the daemon's `FleetError`, or UNAVAILABLE when it dies meanwhile. */
export interface ControlClient {
  /** `withinMs`: how long the caller wants to wait; a daemon that is only busy is given a moment all the same. */
  send(call: SendCall, withinMs?: number): Promise<SendAnswer>;
  mark(call: MarkCall): Promise<MarkAnswer>;
  changes(call: ChangesCall, signal: AbortSignal): Promise<ChangesAnswer>;
  status(): Promise<DaemonStatus>;
  reload(): Promise<ReloadAnswer>;
  /** Answers when the next program was tried. */
  reexec(signal: AbortSignal): Promise<ReexecAnswer>;
  push(): Promise<PushAnswer>;
  readonly services: ServiceClient;
  /** `withinMs`: how long the caller waits, who is about to end. */
  secondInstance(call: SecondInstanceCall, withinMs: number): Promise<SecondInstanceAnswer>;
}

/** The services of the daemon that supervises. */
export interface ServiceClient {
  /** `fresh`: for somebody who watches; what services use is then at most a second old. */
  list(options?: { readonly fresh?: boolean }): Promise<ServicesAnswer>;
  detail(call: DetailCall): Promise<DetailAnswer>;
  act(call: ActCall): Promise<ActAnswer>;
  give(call: GiveCall): Promise<ActAnswer>;
  adopt(call: AdoptCall): Promise<ActAnswer>;
  /** Answers when all are replaced: as long as that takes. */
  replace(call: ReplaceCall, signal: AbortSignal): Promise<ReplaceAnswer>;
}

/** How long a daemon may take for a short answer before it counts as stuck. Chosen: its longest synchronous work is far below. */
const ANSWER_TIMEOUT_MS = 10_000;
/** The same for what only a daemon can do: its caller has no other way, so a machine that can hardly keep up is waited for. */
const SERVICES_TIMEOUT_MS = 30_000;
/** The moment that a busy daemon is given, also by a caller in a hurry. Chosen: far above its longest synchronous work. */
const ANSWER_TIMEOUT_MS_MIN = 1_000;

/** HTTP status of a request over the server's limit. */
const TOO_LARGE = 413;

/** Speaks to the daemon behind the socket `path`; nothing is sent before the first call. */
export function createControlClient(path: string): ControlClient {
  const short = (): AbortSignal => AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const patient = (): AbortSignal => AbortSignal.timeout(SERVICES_TIMEOUT_MS);
  return {
    send: (call, withinMs = ANSWER_TIMEOUT_MS) => {
      const timeoutMs = Math.min(ANSWER_TIMEOUT_MS, Math.max(ANSWER_TIMEOUT_MS_MIN, withinMs));
      return ask(path, { path: PATHS.send, body: call, signal: AbortSignal.timeout(timeoutMs) });
    },
    mark: (call) => ask(path, { path: PATHS.mark, body: call, signal: short() }),
    changes: (call, signal) =>
      ask(path, {
        path: PATHS.changes,
        body: call,
        signal: AbortSignal.any([signal, AbortSignal.timeout(call.timeoutMs + ANSWER_TIMEOUT_MS)]),
      }),
    reload: () => ask(path, { path: PATHS.reload, body: {}, signal: short() }),
    reexec: (signal) => ask(path, { path: PATHS.reexec, body: {}, signal }),
    push: () => ask(path, { path: PATHS.push, body: {}, signal: short() }),
    secondInstance: (call, withinMs) =>
      ask(path, { path: PATHS.secondInstance, body: call, signal: AbortSignal.timeout(withinMs) }),
    status: () => ask(path, { path: PATHS.status, body: null, signal: short() }),
    services: {
      list: ({ fresh = false } = {}) =>
        ask(path, {
          path: `${SERVICE_PATHS.list}${fresh ? `?${FRESH_QUERY}` : ""}`,
          body: null,
          signal: patient(),
        }),
      detail: (call) => ask(path, { path: SERVICE_PATHS.detail, body: call, signal: patient() }),
      act: (call) => ask(path, { path: SERVICE_PATHS.act, body: call, signal: patient() }),
      give: (call) => ask(path, { path: SERVICE_PATHS.give, body: call, signal: patient() }),
      adopt: (call) => ask(path, { path: SERVICE_PATHS.adopt, body: call, signal: patient() }),
      replace: (call, signal) => ask(path, { path: SERVICE_PATHS.replace, body: call, signal }),
    },
  };
}

async function ask<Answer>(
  socket: string,
  call: { path: string; body: unknown; signal: AbortSignal },
): Promise<Answer> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`http://fleetd${call.path}`, {
      unix: socket,
      signal: call.signal,
      ...(call.body === null ? {} : { method: "POST", body: JSON.stringify(call.body) }),
    });
    // Cut off when the daemon dies meanwhile; Bun refuses what is too large by itself, without our JSON.
    answer = response.status === TOO_LARGE ? null : await response.json();
  } catch (thrown) {
    throw causedBy("UNAVAILABLE", `Cannot reach the daemon on "${socket}": it does not answer`, thrown);
  }
  if (response.ok) return answer as Answer;
  if (response.status === TOO_LARGE) {
    throw new FleetError("BAD_INPUT", `Cannot send: the request has over ${REQUEST_BYTES_MAX} bytes`);
  }
  throw toFleetError(answer);
}

/** Only the daemon of the same user writes to this socket; still, an unknown code is taken for a bug. */
function toFleetError(answer: unknown): FleetError {
  const error = typeof answer === "object" && answer !== null && "error" in answer ? answer.error : null;
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error)) {
    return new FleetError("INTERNAL", "Cannot read the daemon's answer");
  }
  const code = String(error.code);
  return new FleetError(
    Object.hasOwn(EXIT_CODES, code) ? (code as ErrorCode) : "INTERNAL",
    String(error.message),
    "hint" in error ? { hint: String(error.hint) } : {},
  );
}
