import { fail, ok, type Result } from "./result.ts";

const PORT_MAX = 65_535;

/** A TCP or UDP port as people type it: a whole number from 1 to 65535, and nothing around it. */
export function parsePort(text: string): Result<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= PORT_MAX) return ok(port);
  return fail(`Cannot read port "${text.slice(0, 80)}": need a whole number from 1 to ${PORT_MAX}`);
}
