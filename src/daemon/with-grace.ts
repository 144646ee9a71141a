/**
 * Aborts `graceMs` after `signal` does. A push that is ended in the middle may leave its lock on a folder remote, and
 * nobody could push for a minute; where the remote is in trouble already there is nothing to wait for.
 */
export function withGrace(signal: AbortSignal, graceMs: () => number): AbortSignal {
  const late = new AbortController();
  const abortLater = (): void => {
    setTimeout(() => late.abort(signal.reason), graceMs()).unref();
  };
  // A signal that came while the daemon was starting rings no more.
  if (signal.aborted) abortLater();
  else signal.addEventListener("abort", abortLater, { once: true });
  return late.signal;
}
