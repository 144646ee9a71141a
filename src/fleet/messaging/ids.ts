import { toUtf8 } from "../../base/bytes.ts";
import type { Cryptography } from "../../base/ports/cryptography.ts";

/**
 * A UUIDv8 made from `parts`: the same parts always give the same id, so what is sent twice is one message.
 * `purpose` keeps ids of different uses apart.
 */
export function derivedId(purpose: string, parts: readonly string[], cryptography: Cryptography): string {
  const digest = cryptography.hash("sha256", toUtf8(JSON.stringify(["fleetd", purpose, ...parts])));
  const bytes = digest.slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
