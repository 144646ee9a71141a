/** What `inbox`, `sent`, `wait` and `watch` are asked to leave out, as typed. */
import { FleetError } from "../base/errors.ts";
import type { LabelFilter } from "../fleet/messaging/mailbox-queries.ts";
import { parseServerId } from "../fleet/messaging/model.ts";
import { parseSince } from "./parse-since.ts";
import { typed } from "./session.ts";

/** `NAME=VALUE`, or `NAME` for whatever value. @throws FleetError USAGE */
export function toLabelFilter(text: string): LabelFilter {
  const [name = "", ...value] = text.split("=");
  if (name === "") throw new FleetError("USAGE", `Cannot read --label "${text}": need NAME or NAME=VALUE`);
  return { name, value: value.length === 0 ? null : value.join("=") };
}

/** The moment of `--since`, wall ms. @throws FleetError USAGE */
export const toSince = (text: string | undefined, nowWallMs: number): number | undefined =>
  text === undefined ? undefined : typed<number>(parseSince(text, nowWallMs));

/** A server that a flag names: a typing error would silently match nothing. @throws FleetError USAGE */
export function toServerFilter(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parsed = parseServerId(text);
  if (parsed.ok) return parsed.value;
  throw new FleetError("USAGE", `Cannot read --${flag} "${text}": need a server id`);
}
