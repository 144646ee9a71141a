import type { CheckStage } from "../base/ports/network-check.ts";
import type { Verdict } from "../fleet/health/model.ts";
import type { HandledMessage } from "../fleet/messaging/answer-messages.ts";
import type { SettingChange } from "../fleet/settings/compare-settings.ts";
import type { InstanceReport } from "../fleet/supervisor/instance-model.ts";

/** What a running monitor tells; one line each on its console. Texts may be hostile. */
export type MonitorEvent =
  | {
      readonly kind: "ready";
      readonly socket: string;
      readonly remote: string;
      readonly version: string;
      readonly pid: number;
      readonly settings: ReadySettings;
    }
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
  | {
      /** The remote answered and did not take some entries; so many of them are dead now. */
      readonly kind: "refused";
      readonly entries: number;
      readonly dead: number;
      readonly detail: string;
    }
  | { readonly kind: "recovered"; readonly during: "fetch" | "push" }
  /** The breaker around the remote changed; `openForMs` is 0 unless it opened. */
  | {
      readonly kind: "breaker";
      readonly state: "open" | "half-open" | "closed";
      readonly openForMs: number;
      readonly detail: string;
    }
  | { readonly kind: "quarantined"; readonly count: number }
  | { readonly kind: "notice"; readonly text: string }
  /** Nothing is pushed, answered or handled any more, and why. */
  | { readonly kind: "held"; readonly reason: string; readonly detail: string }
  | {
      readonly kind: "health";
      readonly verdict: Verdict;
      /** The verdict before; null at the start. */
      readonly was: Verdict | null;
      readonly problems: readonly string[];
    }
  | {
      readonly kind: "configured";
      readonly file: string | null;
      readonly changes: readonly SettingChange[];
    }
  | { readonly kind: "misconfigured"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string }
  | {
      /** One operation that took time; `type` as metrics name it, such as `"git_pull"`. */
      readonly kind: "operation";
      readonly type: string;
      readonly durationMs: number;
      readonly success: boolean;
      readonly metadata: Readonly<Record<string, string | number | boolean>>;
    }
  /** Somebody started this server's monitor again; it handed over how it was called, and ended. */
  | {
      readonly kind: "second-instance";
      readonly pid: number;
      readonly argv: readonly string[];
      readonly cwd: string;
    }
  /** What became of an instance of a service of this machine. */
  | { readonly kind: "service"; readonly name: string; readonly report: InstanceReport }
  /** The monitor becomes another program in the same process; it has; it could not, and goes on as before. */
  | { readonly kind: "reexec"; readonly state: "begins"; readonly from: string; readonly to: string }
  | { readonly kind: "reexec"; readonly state: "done"; readonly from: string; readonly to: string }
  | { readonly kind: "reexec"; readonly state: "failed"; readonly detail: string }
  | { readonly kind: "stopping" }
  /** The daemon ends because of a failure that no loop caught. */
  | { readonly kind: "crashed"; readonly detail: string };

/** The settings that a log should begin with. Named one by one, so that a secret among them is never logged. */
export interface ReadySettings {
  readonly intervalMs: number;
  readonly autoReply: boolean;
  readonly logLevel: string;
  readonly groups: readonly string[];
}

/** A pull that ended at its first step, the look at the network; git itself was not started. */
export const pullThatFailedAt = (stages: readonly CheckStage[]): MonitorEvent => ({
  kind: "operation",
  type: "git_pull",
  durationMs: stages.reduce((sum, stage) => sum + stage.durationMs, 0),
  success: false,
  metadata: { failure: "network" },
});

/** Takes events; never throws, never waits. */
export type Report = (event: MonitorEvent) => void;
