/** Throws a plain `Error` when an invariant is broken: a bug, exit code 70. Nobody catches it to carry on. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${message}`);
}
