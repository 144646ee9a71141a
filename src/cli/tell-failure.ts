import { EXIT_CODES, firstLineOf } from "../base/errors.ts";
import type { Database } from "../base/ports/database.ts";
import type { FlushOutcome } from "../fleet/messaging/flush-outbox.ts";
import { HOLDS, holdOf } from "../fleet/messaging/own-alarms.ts";
import { hintOfHold } from "../fleet/messaging/recover-log.ts";
import { printNotice } from "./output/print-answer.ts";

/** Why a flush in this process did not come through, and what to do, hostile text; null where it did. */
export function reasonOf(state: Database, outcome: FlushOutcome): string | null {
  if (outcome.status === "pushed") return null;
  if (outcome.status === "refused") return `refused: ${firstLineOf(outcome.reason)}`;
  const { kind, detail } = outcome.failure;
  const hold = holdOf(state);
  return hold === null ? `${kind}: ${firstLineOf(detail)}` : `held: ${firstLineOf(hold.detail)}`;
}

/** Says on stderr why entry `id` did not come through. What the remote refused of others is not this command's news. */
export function tellFailure(state: Database, outcome: FlushOutcome, id: string): void {
  if (outcome.status === "refused" && !outcome.ids.includes(id)) return;
  const reason = reasonOf(state, outcome);
  if (reason !== null) tellReason(state, reason);
}

/** Says on stderr why something waits, and what stops this server if something does. */
export function tellReason(state: Database, reason: string): void {
  const hold = holdOf(state);
  printNotice(`fleetd: ${reason}${hold === null ? "" : `\n  hint: ${hintOfHold(hold.kind)}`}`);
}

/** The exit code for what is safe here and not on the remote. `isDenied`: it does not let this server push. */
export function codeOfWaiting(state: Database, isDenied: boolean): number {
  const hold = holdOf(state);
  if (hold !== null) return EXIT_CODES[HOLDS[hold.kind]];
  return isDenied ? EXIT_CODES.NOT_AUTHORISED : EXIT_CODES.NOT_YET;
}
