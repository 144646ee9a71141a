import { EXIT_CODES, errorCodeOf, exitCodeOf, FleetError, messageOf } from "../base/errors.ts";
import { toSafeJson, toVisible } from "../base/visible-text.ts";

/** How a failure is reported: as one JSON object or as text, and with the stack of a bug or without. */
export type ReportOptions = { readonly json: boolean; readonly debug: boolean };

const BUG_HINT = "This is a bug in fleetd. FLEETD_DEBUG=1 prints where it happened";
const MACHINE_HINT =
  "See that the disk has space, and that the state folder belongs to the user who runs fleetd: FLEETD_HOME or ~/.local/state/fleetd";

/** Prints anything thrown on stderr and returns the exit code. What is not a `FleetError` is a bug: 70. */
export function reportFailure(thrown: unknown, options: ReportOptions): number {
  console.error(options.json ? toJsonReport(thrown) : toTextReport(thrown));
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  if (options.debug && stack !== undefined) console.error(toVisible(stack, { keepNewlines: true }));
  return exitCodeOf(thrown);
}

function toTextReport(thrown: unknown): string {
  const hint = hintOf(thrown);
  const lines = [`fleetd: ${messageOf(thrown)}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])];
  return toVisible(lines.join("\n"), { keepNewlines: true });
}

function toJsonReport(thrown: unknown): string {
  const code = errorCodeOf(thrown);
  const report = { schema: "fleetd.error/1", code, exit: EXIT_CODES[code], message: messageOf(thrown) };
  return toSafeJson({ ...report, hint: hintOf(thrown) });
}

function hintOf(thrown: unknown): string | undefined {
  if (thrown instanceof FleetError) return thrown.hint;
  return errorCodeOf(thrown) === "INTERNAL" ? BUG_HINT : MACHINE_HINT;
}
