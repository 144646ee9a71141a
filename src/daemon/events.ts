import type { HandledMessage } from "../fleet/messaging/answer-messages.ts";

/** What a running monitor tells; one line each on its console. Texts may be hostile. */
export type MonitorEvent =
  | { readonly kind: "ready"; readonly socket: string; readonly remote: string }
  | { readonly kind: "message"; readonly handled: HandledMessage }
  | {
      /** A handler ended, or is to run again, or was put aside. `silence`: why what it wrote was not sent. */
      readonly kind: "handler";
      readonly from: string;
      readonly id: string;
      readonly rule: string;
      readonly state: "done" | "queued" | "parked";
      readonly attempt: number;
      readonly exitCode: number | null;
      readonly reason: string;
      readonly durationMs: number | null;
      readonly replyId: string | null;
      readonly silence: string | null;
      readonly stderr: string;
    }
  | { readonly kind: "pushed"; readonly entries: number }
  | {
      readonly kind: "trouble";
      readonly during: "fetch" | "push";
      readonly detail: string;
      readonly retryMs: number;
    }
  | { readonly kind: "recovered"; readonly during: "fetch" | "push" }
  | { readonly kind: "quarantined"; readonly count: number }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "failed"; readonly detail: string }
  | { readonly kind: "stopping" };

/** Takes events; never throws, never waits. */
export type Report = (event: MonitorEvent) => void;
