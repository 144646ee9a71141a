/** What happens to a fleet from outside: what people ask of it, and what goes wrong. Made up front, so that it can be reduced. */

/** A message that somebody sends. `via`: through the daemon if it runs, or by a command alone. */
export interface Sending {
  readonly kind: "send";
  readonly server: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly body: string;
  readonly messageKind: string;
  readonly ackRequired: boolean;
  readonly expiresInMs: number | null;
  readonly key: string | null;
  readonly via: "daemon" | "command";
  /** Whether the sender waits to hear that it is on the remote. */
  readonly waits: boolean;
  /** The command is killed at its so many-th call. */
  readonly killedAfter: number | null;
}

/** Something wrong with one machine, or with its way to the remote. */
export type Fault =
  | {
      readonly kind: "shut";
      readonly server: string;
      readonly how: "refused" | "silent";
      readonly forMs: number;
    }
  | { readonly kind: "slow"; readonly server: string; readonly factor: number; readonly forMs: number }
  | { readonly kind: "limited"; readonly server: string; readonly forMs: number }
  | {
      readonly kind: "pushes";
      readonly server: string;
      readonly trouble: "cut" | "mute" | "late";
      readonly count: number;
      readonly lateMs: number;
    }
  | { readonly kind: "locked"; readonly server: string; readonly forMs: number; readonly isLeft: boolean }
  | {
      readonly kind: "crash";
      readonly server: string;
      readonly power: boolean;
      readonly afterCalls: number;
      readonly downMs: number;
      readonly losesIndex: boolean;
    }
  | { readonly kind: "clock"; readonly server: string; readonly byMs: number }
  | { readonly kind: "pause"; readonly server: string; readonly forMs: number }
  | { readonly kind: "disk-full"; readonly server: string; readonly forMs: number }
  | {
      readonly kind: "refs-deleted";
      readonly server: string;
      readonly which: "log" | "state" | "both" | "all";
    }
  | {
      readonly kind: "rewound";
      readonly server: string;
      readonly which: "log" | "state";
      readonly steps: number;
    }
  | {
      readonly kind: "junk";
      readonly server: string;
      readonly which: "log" | "state";
      readonly forMs: number;
    }
  | { readonly kind: "odd-refs"; readonly server: string; readonly name: string }
  | { readonly kind: "backup"; readonly server: string; readonly forMs: number }
  | {
      readonly kind: "rewritten";
      readonly server: string;
      readonly which: "log" | "state";
      readonly isRoot: boolean;
    };

export type Happening = { readonly id: number; readonly atMs: number } & (
  | Sending
  | { readonly kind: "mark"; readonly server: string; readonly what: "read" | "acked" }
  | Fault
);

export type Character = "honest" | "liar" | "careless";

/** One machine as the seed makes it. */
export interface MachinePlan {
  readonly server: string;
  readonly character: Character;
  readonly joinsAtMs: number;
  /** How far its clock is off at the start, ms. */
  readonly offsetMs: number;
}

/** A whole run. */
export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  readonly isFolder: boolean;
  readonly intervalMs: number;
  /** How far looks are apart while a conversation lasts, ms. */
  readonly talkMs: number;
  /** How long after a change a folder's watcher looks, ms. */
  readonly watchMs: number;
  /** How far heartbeats are apart, ms. */
  readonly heartbeatMs: number;
  readonly onCrash: "park" | "retry";
  /** How long handlers run. */
  readonly handlerMs: { readonly least: number; readonly most: number };
  readonly clocksHeal: boolean;
  readonly machines: readonly MachinePlan[];
  readonly happenings: readonly Happening[];
}
