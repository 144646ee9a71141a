import { parseDuration } from "../base/duration.ts";
import { type ErrorCode, EXIT_CODES, FleetError, requireOk } from "../base/errors.ts";
import type { ForbiddenBy, KillAnswer, KillOutcome } from "../fleet/supervisor/end-process.ts";

const CODES: Readonly<Record<Exclude<KillOutcome, "killed">, ErrorCode>> = {
  "not-found": "FAILED",
  forbidden: "NOT_AUTHORISED",
  "not-ours": "NOT_AUTHORISED",
  timeout: "NOT_YET",
};

/** The exit code of an answer. */
export const exitCodeOfKill = (outcome: KillOutcome): number =>
  outcome === "killed" ? 0 : EXIT_CODES[CODES[outcome]];

/** An answer in the words of JSON. */
export const killToJson = ({ outcome, pid, name, by, neededKill }: KillAnswer): Record<string, unknown> => ({
  outcome,
  pid,
  name,
  forbidden_by: by,
  needed_kill: neededKill,
});

const RULES: Readonly<Record<ForbiddenBy, string>> = {
  init: "it is the first process of this machine, which nothing may end",
  self: "it is this very process",
  ancestor: "this process came of it",
  system: "it belongs to another user",
  "unknown-start": "when it started is not told, so it might be another one by then",
};

const FORCE_HINT = "--force ends it all the same";

/** Why a process was not ended, as a failure. */
export function refusalOf(answer: KillAnswer & { readonly outcome: KillOutcome }): FleetError {
  const what = `process ${answer.pid}${answer.name === null ? "" : ` (${answer.name})`}`;
  switch (answer.outcome) {
    case "not-ours":
      return new FleetError("NOT_AUTHORISED", `Cannot end ${what}: fleetd did not start it`, {
        hint: FORCE_HINT,
      });
    case "forbidden":
      return new FleetError("NOT_AUTHORISED", `Cannot end ${what}: ${RULES[answer.by ?? "system"]}`);
    case "timeout":
      return new FleetError("NOT_YET", `Cannot end ${what}: it is still there after TERM and KILL`);
    default:
      return new FleetError("FAILED", `Cannot end ${what}: there is none`);
  }
}

/** @throws FleetError USAGE */
export const toDuration = (text: string): number => requireOk("USAGE", parseDuration(text));
