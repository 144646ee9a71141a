import type { HandledMessage } from "../fleet/messaging/answer-messages.ts";

/** What a running monitor tells; one line each on its console. Texts may be hostile. */
export type MonitorEvent =
  | { readonly kind: "ready"; readonly socket: string; readonly remote: string }
  | { readonly kind: "message"; readonly handled: HandledMessage }
  | { readonly kind: "pushed"; readonly entries: number }
  | {
      readonly kind: "trouble";
      readonly during: "fetch" | "push";
      readonly detail: string;
      readonly retryMs: number;
    }
  | {
      /** The remote answered and did not take some entries; so many of them are dead now. */
      readonly kind: "refused";
      readonly entries: number;
      readonly dead: number;
      readonly detail: string;
    }
  | { readonly kind: "recovered"; readonly during: "fetch" | "push" }
  | { readonly kind: "quarantined"; readonly count: number }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "failed"; readonly detail: string }
  | { readonly kind: "stopping" };

/** Takes events; never throws, never waits. */
export type Report = (event: MonitorEvent) => void;
