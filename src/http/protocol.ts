/**
 * The control socket: what `fleetd` commands and the daemon of the same server say to each other. Both ends import
 * this file, so neither can speak another language. HTTP/1.1 over a unix socket (Windows has them too), JSON both
 * ways; the socket lies in a folder that only its user can open. The server checks what it reads in
 * `server/parse-calls.ts`: a command that only asks need not load a validator (3 ms of a start).
 */

import type { NetworkReport } from "../base/ports/network-check.ts";
import type { ClockFacts, HealthReport, ServicesFacts } from "../fleet/health/model.ts";
import type { SendRequest } from "../fleet/messaging/send-message.ts";
import type { Untaken } from "../fleet/messaging/trust-view.ts";
import type { SettingChange } from "../fleet/settings/compare-settings.ts";
import type { SecondInstance } from "../fleet/supervisor/second-instance.ts";

/** Paths of the control socket. */
export const PATHS = {
  status: "/v1/status",
  send: "/v1/send",
  mark: "/v1/mark",
  changes: "/v1/changes",
  reload: "/v1/reload",
  reexec: "/v1/reexec",
  push: "/v1/push",
  secondInstance: "/v1/second-instance",
} as const;

/** A request may be this large: a message body as JSON with every byte escaped, and its envelope. */
export const REQUEST_BYTES_MAX = 4 * 1024 * 1024;

/** How long the server may keep a client waiting for a change, ms. */
export const CHANGES_TIMEOUT_MS_MAX = 60_000;

/** Body of `send`: the request as it was made, with its id; checked where messages are made. */
export type SendCall = SendRequest;

/** Answer of `send`: durable in the outbox. `isNew` false: the idempotency key was used before. */
export interface SendAnswer {
  readonly id: string;
  readonly isNew: boolean;
  /** The id of the server whose daemon answers. */
  readonly server: string;
  /** Recipients that nobody has seen yet. */
  readonly unknown: readonly string[];
  /** Recipients whose answers come to nothing here; missing in the answers of older daemons. */
  readonly untaken?: readonly Untaken[];
}

/** Why nothing gets through to the remote (hostile text), and since when (wall ms). */
export interface RemoteDown {
  readonly why: string;
  readonly sinceWallMs: number;
  /** Whether the remote answers, and does not let this server in; missing in the answers of older daemons. */
  readonly unauthorised?: boolean;
}

/** Body of `mark`: somebody's message was read or acknowledged here. */
export interface MarkCall {
  readonly from: string;
  readonly id: string;
  readonly state: "read" | "acked";
}

/** Answer of `mark`. */
export interface MarkAnswer {
  readonly changed: boolean;
}

/** Answer of `push`, which has no body: the daemon looks at its queue now. */
export interface PushAnswer {
  readonly server: string;
}

/** Body of `secondInstance`: how a monitor was called that found this one running. */
export type SecondInstanceCall = SecondInstance;

/** Answer of `secondInstance`. */
export interface SecondInstanceAnswer {
  readonly pid: number;
}

/** Body of `changes`: answered as soon as the daemon's revision is above `since`, or at the timeout. */
export interface ChangesCall {
  readonly since: number;
  readonly timeoutMs: number;
}

/** The revision rises with everything the daemon received, sent or was told; what changed is in the databases. */
export interface ChangesAnswer {
  readonly revision: number;
  /** What is known against the remote now; null when nothing is. */
  readonly down: RemoteDown | null;
}

/** Answer of `status`: what only the running daemon knows. Instants are wall ms. */
export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  readonly server: string;
  readonly startedWallMs: number;
  readonly revision: number;
  readonly lastFetchWallMs: number | null;
  readonly lastPushWallMs: number | null;
  /** The last failure of the remote while it lasts, hostile text. */
  readonly trouble: string | null;
  readonly autoReplies: number;
  readonly remote: RemoteStatus;
  /** Whether this daemon looks after what exists once per machine. */
  readonly holdsMachine: boolean;
  /** What the monitor made of its server last; null before the first judgement. */
  readonly health: HealthReport | null;
  /** The services of the machine; null where another monitor supervises them, missing in older answers. */
  readonly services?: ServicesFacts | null;
  /** The last time the wall clock was set while the monitor ran. */
  readonly clockJump: ClockFacts["jump"];
  /**
   * The program that ran in this process before, and why it could not become another one, if it could not (then this is
   * still the same); null for the first one. Missing in the answers of older daemons.
   */
  readonly before?: { readonly version: string; readonly failed: string | null } | null;
}

/** Answer of `reload`: the file that was read, and what is different now; values as a file would say them. */
export interface ReloadAnswer {
  readonly file: string | null;
  readonly changes: readonly SettingChange[];
}

/** Answer of `reexec`, which has no body: the daemon is about to become what stands at its path now. */
export interface ReexecAnswer {
  readonly pid: number;
  /** Of the program that answers; the next one has a later start and the same pid. */
  readonly startedWallMs: number;
  readonly from: string;
  /** What the next program says of itself. */
  readonly version: string;
}

/** How the daemon gets on with its remote. Texts are hostile. */
export interface RemoteStatus {
  readonly down: RemoteDown | null;
  readonly breaker: {
    readonly state: "closed" | "open" | "half-open";
    /** Failed cycles in a row. */
    readonly failures: number;
    /** When it left `closed`; null while it is closed. */
    readonly sinceWallMs: number | null;
    /** How long it still refuses, ms; 0 when it does not. */
    readonly refusesForMs: number;
    readonly causes: readonly string[];
    readonly counts: Readonly<
      Record<"admitted" | "succeeded" | "failed" | "excluded" | "lost" | "rejected", number>
    >;
  };
  /** The last look at the network; null before the first one. */
  readonly check: (NetworkReport & { readonly atWallMs: number }) | null;
  readonly cycles: { readonly succeeded: number; readonly failed: number };
  /** Whether the host bounds pushes, and how long the next one waits for that, ms. */
  readonly pushBudget: { readonly holds: boolean; readonly waitMs: number };
  readonly heartbeats: number;
}

/** An error as the control socket sends it; `code` is one of `EXIT_CODES`. */
export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}
