import type { RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Result } from "../../base/result.ts";
import type { Finding, Verdict } from "../../fleet/health/model.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { DaemonStatus } from "../../http/protocol.ts";
import type { ServerPaths } from "../../platform/paths.ts";
import type { Mailbox } from "../open-mailbox.ts";

/**
 * How a finding is mended, where that can be done here. `isSafe`: nothing can be lost by it and doing it twice does no
 * harm; what replaces or sets aside files is not, and wants to be asked for. Throws when it could not be done.
 */
export interface Mend {
  readonly what: string;
  readonly isSafe: boolean;
  readonly run: () => unknown;
}

/** A finding, and what can be done about it. */
export interface Diagnosis extends Finding {
  readonly mend: Mend | null;
}

/** What the doctor looks at: one server, its monitor if one answers, and its mailbox if it can be opened. */
export interface Patient {
  readonly paths: ServerPaths;
  readonly settings: ServerSettings;
  readonly version: string;
  readonly daemon: DaemonStatus | null;
  readonly mailbox: Result<Mailbox>;
  /** How to ask the remote. */
  readonly ask: RemoteOptions;
}

/** Something that is as it should be. */
export const healthy = (id: string, evidence: string): Diagnosis => ({
  id,
  verdict: "ok",
  evidence,
  fix: null,
  mend: null,
});

/** Something that is not, and that somebody has to see to. */
export const trouble = (
  id: string,
  verdict: Exclude<Verdict, "ok">,
  words: { readonly evidence: string; readonly fix: string },
): Diagnosis => ({ id, verdict, ...words, mend: null });

/** Something that is not, and that can be mended here. */
export const mendable = (
  id: string,
  verdict: Exclude<Verdict, "ok">,
  words: { readonly evidence: string; readonly mend: Mend },
): Diagnosis => ({
  id,
  verdict,
  evidence: words.evidence,
  fix: words.mend.isSafe ? "fleetd doctor --fix" : "fleetd doctor --fix --yes",
  mend: words.mend,
});
