import type { RemoteEntry } from "./fleet-checker.ts";

interface WireEntry {
  readonly id: string;
  readonly seq: number;
  readonly prev: string | null;
  readonly type: string;
  readonly from: string;
  readonly epoch?: string;
  readonly to?: readonly string[];
  readonly body?: string;
  readonly auto?: boolean;
  readonly hops?: number;
  readonly in_reply_to?: string;
  readonly message?: string;
  readonly state?: string;
}

/** The entries in these files of one log, in their order; only what the format says, nothing is checked. */
export function parseLog(writer: string, files: readonly string[]): RemoteEntry[] {
  let epoch = "";
  const lines = files.flatMap((file) => file.split("\n").slice(0, -1));
  return lines.map((line) => {
    const entry = JSON.parse(line) as WireEntry;
    epoch = entry.epoch ?? epoch;
    const {
      id,
      seq,
      prev,
      type,
      from,
      to = [],
      body = "",
      auto = false,
      hops = 0,
      in_reply_to: inReplyTo = null,
      message,
      state,
    } = entry;
    const receipt = message === undefined || state === undefined ? undefined : { message, state };
    const hash = `sha256:${new Bun.CryptoHasher("sha256").update(line).digest("hex")}`;
    return { writer, epoch, hash, id, seq, prev, type, from, to, body, auto, hops, inReplyTo, receipt };
  });
}
