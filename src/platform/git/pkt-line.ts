/** One packet of git's wire protocol: a line, or one of the markers between them. */
export type Packet =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "flush" | "delimiter" };

const FLUSH = "0000";
const DELIMITER = "0001";
// The length counts its own four digits; git sends at most 65,520 bytes in a packet.
const PACKET_BYTES_MAX = 65_520;

/** A packet with `text` and a line feed. */
export function toPacket(text: string): string {
  const length = Buffer.byteLength(text) + 5;
  return `${length.toString(16).padStart(4, "0")}${text}\n`;
}

/** The body of a protocol version 2 `ls-refs` request. */
export function lsRefsRequest(prefixes: readonly string[], capabilities: readonly string[]): string {
  const head = ["command=ls-refs", ...capabilities].map(toPacket).join("");
  return `${head}${DELIMITER}${prefixes.map((prefix) => toPacket(`ref-prefix ${prefix}`)).join("")}${FLUSH}`;
}

/** Takes `bytes` apart into packets, line feeds removed; null when they are not whole packets. */
export function parsePackets(bytes: Uint8Array): Packet[] | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: Packet[] = [];
  let at = 0;
  while (at < buffer.length) {
    const digits = buffer.toString("latin1", at, at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) return null;
    const length = Number.parseInt(digits, 16);
    if (length > PACKET_BYTES_MAX || at + length > buffer.length || length === 2 || length === 3) return null;
    if (length >= 4) {
      packets.push({ kind: "line", text: buffer.toString("utf8", at + 4, at + length).replace(/\n$/, "") });
    } else {
      packets.push({ kind: length === 0 ? "flush" : "delimiter" });
    }
    at += Math.max(length, 4);
  }
  return packets;
}
