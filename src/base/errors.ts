import type { Result } from "./result.ts";

/** Every failure an operator can meet, with its exit code (sysexits). Numbers are public: add, never reuse. */
export const EXIT_CODES = {
  FAILED: 1,
  PARTIAL: 2,
  USAGE: 64,
  BAD_INPUT: 65,
  UNAVAILABLE: 69,
  INTERNAL: 70,
  CANNOT_CREATE: 73,
  IO: 74,
  NOT_YET: 75,
  NOT_AUTHORISED: 77,
  CONFIG: 78,
} as const;
export type ErrorCode = keyof typeof EXIT_CODES;

/** A failure with a meaning for the operator: `Cannot <action> <thing>: <state found>, <state needed>`. */
export class FleetError extends Error {
  override readonly name = "FleetError";
  readonly code: ErrorCode;
  /** A next step for the operator, printed below the message. */
  readonly hint: string | undefined;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; hint?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options?.hint;
  }
}

/** A `FleetError` that keeps what was caught as its cause. */
export const causedBy = (code: ErrorCode, message: string, cause: unknown, hint?: string): FleetError =>
  new FleetError(code, message, hint === undefined ? { cause } : { cause, hint });

/** The cause of a failure to understand what was stored: the bytes are not what was once written there. */
export class DamagedDataError extends Error {
  override readonly name = "DamagedDataError";
}

/** What to do about a damaged database. */
export const DAMAGE_HINT =
  'See what "fleetd doctor" finds; "fleetd doctor --fix --yes" mends it, and keeps what is damaged beside it';

/** Something that was stored as JSON by this program. @throws FleetError IO, with a `DamagedDataError`, when it is none any more */
export function readStoredJson(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (thrown) {
    const cause = new DamagedDataError(messageOf(thrown), { cause: thrown });
    throw causedBy("IO", `Cannot read ${what}: what is stored there is damaged`, cause, DAMAGE_HINT);
  }
}

/** What a system refuses because of the machine it runs on, whatever fleetd asked of it. */
const MACHINE_ERRORS: readonly string[] = [
  "EACCES",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOSPC",
  "EPERM",
  "EROFS",
];

/** What a disk or a system that is out of order says; a permission is somebody's decision. */
const BROKEN: readonly string[] = ["EIO", "EMFILE", "ENFILE", "ENOSPC", "EROFS"];

/** Whether a file cannot be read because the machine is out of order: nothing is known of the file itself then. */
export const isMachineBroken = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && BROKEN.includes(String(thrown.code));

/** The code for anything thrown: a refusal of the machine is IO, anything else that is no `FleetError` is a bug. */
export function errorCodeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof FleetError) return thrown.code;
  const isRefusal =
    thrown instanceof Error && "code" in thrown && MACHINE_ERRORS.includes(String(thrown.code));
  return isRefusal ? "IO" : "INTERNAL";
}

/** The exit code for anything thrown. */
export const exitCodeOf = (thrown: unknown): number => EXIT_CODES[errorCodeOf(thrown)];

/** The value, or a `FleetError` with `code`: how a pure `Result` leaves the core. */
export function requireOk<T>(code: ErrorCode, result: Result<T, string>): T {
  if (result.ok) return result.value;
  throw new FleetError(code, result.error);
}

/** The message of anything thrown, for a log line or a longer message. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);

/** The first line of what another program said: what happened; the rest is advice for people at a prompt. */
export const firstLineOf = (detail: string): string => detail.trim().split("\n", 1)[0] ?? "";
