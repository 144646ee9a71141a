import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WireFleet } from "./wire-fleet.ts";

/** One line of a log as it stands on the remote, and the commit that brought it. */
export interface WireEntry {
  readonly commit: string;
  readonly seq: number;
  readonly prev: string | null;
  readonly type: string;
  readonly id: string;
  readonly from: string;
  readonly public_key?: string;
  readonly [field: string]: unknown;
}

/**
 * Reads a log from the remote with plain git alone and checks it as docs/format.md says: every batch with
 * `ssh-keygen -Y verify`, `seq` and `prev` of every line. Throws at the first thing that is not right.
 */
export function readVerifiedLog(fleet: WireFleet, server: string, publicKey: string): WireEntry[] {
  const allowed = join(fleet.folder, `allowed-${server}`);
  writeFileSync(allowed, `${server} namespaces="fleetd-log" ${publicKey}\n`);
  const commits = fleet.gitText("rev-list", "--reverse", `refs/fleet/log/${server}`).split("\n");
  const entries: WireEntry[] = [];
  let prev: string | null = null;
  for (const commit of commits) {
    const bytes = fleet.git(["cat-file", "blob", `${commit}:entries.jsonl`]);
    const signature = join(fleet.folder, `signature-${server}`);
    writeFileSync(signature, fleet.git(["cat-file", "blob", `${commit}:entries.sig`]));
    verify(fleet, { allowed, server, signature }, bytes);
    for (const line of new TextDecoder().decode(bytes).trimEnd().split("\n")) {
      const entry = { ...(JSON.parse(line) as Omit<WireEntry, "commit">), commit } as WireEntry;
      if (entry.seq !== entries.length + 1 || entry.prev !== prev || entry.from !== server) {
        throw new Error(`Entry ${entries.length + 1} of ${server} breaks its chain: ${line.slice(0, 200)}`);
      }
      prev = `sha256:${createHash("sha256").update(line).digest("hex")}`;
      entries.push(entry);
    }
  }
  if (entries[0]?.type !== "key" || entries[0].public_key !== publicKey) {
    throw new Error(`The log of ${server} does not begin with its key`);
  }
  return entries;
}

function verify(
  fleet: WireFleet,
  files: { readonly allowed: string; readonly server: string; readonly signature: string },
  bytes: Uint8Array,
): void {
  const { allowed, server, signature } = files;
  const words = ["-Y", "verify", "-f", allowed, "-I", server, "-n", "fleetd-log", "-s", signature];
  const ran = Bun.spawnSync(["ssh-keygen", ...words], { env: fleet.environment, stdin: bytes });
  if (ran.exitCode !== 0) throw new Error(`A batch of ${server} is not signed: ${ran.stderr.toString()}`);
}
