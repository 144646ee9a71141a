/** The outcome of parsing or validating: a value, or why there is none. */
export type Result<T, E = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

/** A success. */
export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

/** A failure; `error` follows the wording of `FleetError` messages. */
export const fail = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error });

/** The same value, or the error in other words. */
export const mapError = <T, E, F>(result: Result<T, E>, toOther: (error: E) => F): Result<T, F> =>
  result.ok ? result : fail(toOther(result.error));
