/**
 * Remotes with very many messages, made in seconds: batches are built and signed as a server would, and their objects
 * are written as one pack, which is what a remote looks like after its own housekeeping.
 */
import { writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import type { GitObject, ObjectKind } from "../../src/base/ports/git-store.ts";
import {
  buildBatch,
  type EntryDraft,
  type LogHead,
  toObjects,
} from "../../src/fleet/messaging/build-batch.ts";
import { buildCard, type Card } from "../../src/fleet/messaging/card.ts";
import { FORMAT } from "../../src/fleet/messaging/model.ts";
import { toOpenSsh } from "../../src/fleet/messaging/ssh-signature.ts";
import { generatePkcs8, importSigningKey, systemCryptography } from "../../src/platform/cryptography.ts";
import type { TempGit } from "../helpers/temp-git.ts";

/** How much a remote holds: `servers` × `batches` × `messages`. */
export interface Size {
  readonly servers: number;
  readonly batches: number;
  readonly messages: number;
}

export const SMALL: Size = { servers: 100, batches: 10, messages: 10 };
export const LARGE: Size = { servers: 100, batches: 100, messages: 10 };
/** As many messages as above, each in a batch of its own. */
export const SMALL_SINGLE: Size = { servers: 100, batches: 100, messages: 1 };
export const LARGE_SINGLE: Size = { servers: 100, batches: 1000, messages: 1 };

/** How many messages a remote of this size holds. */
export const countOf = (size: Size): number => size.servers * size.batches * size.messages;

/** Makes each remote once, when it is first wanted. */
export class LargeRemotes {
  readonly #temp: TempGit;
  readonly #made = new Map<Size, Promise<string>>();

  constructor(temp: TempGit) {
    this.#temp = temp;
  }

  /** The folder of a remote of this size. Who joins it leaves a server behind. */
  get(size: Size): Promise<string> {
    const made = this.#made.get(size) ?? makeRemote(this.#temp, size);
    this.#made.set(size, made);
    return made;
  }
}

/** Wall clock of the first batch: a fixed day, so that every run makes the same dates. */
const START_MS = Date.UTC(2026, 0, 1);

async function makeRemote(temp: TempGit, size: Size): Promise<string> {
  const remote = temp.bare();
  const fleet = systemCryptography.uuidV7(START_MS);
  const objects: GitObject[] = [];
  const refs: string[] = [];
  const meta = metaObjects(fleet);
  objects.push(...meta.all);
  refs.push(`${meta.commitId} refs/fleet/meta`);
  for (let number = 0; number < size.servers; number += 1) {
    const written = await writeServer(`server-${number}`, fleet, size);
    objects.push(...written.objects);
    refs.push(...written.refs);
  }
  writePack(temp, remote, objects);
  const lines = refs.toSorted((a, b) => (a.slice(41) < b.slice(41) ? -1 : 1));
  writeFileSync(
    `${remote}/packed-refs`,
    `# pack-refs with: peeled fully-peeled sorted \n${lines.join("\n")}\n`,
  );
  return remote;
}

const tools = { format: "sha1", cryptography: systemCryptography } as const;

function metaObjects(fleet: string) {
  const json = `${JSON.stringify({ v: FORMAT, fleet, format: FORMAT, namespace: "refs/fleet/" })}\n`;
  return toObjects({ "meta.json": Buffer.from(json) }, tools, (tree) => ({
    tree,
    parent: null,
    server: "server-0",
    committedMs: START_MS,
    message: `fleet ${fleet}`,
  }));
}

async function writeServer(
  server: string,
  fleet: string,
  size: Size,
): Promise<{ objects: GitObject[]; refs: string[] }> {
  const key = await importSigningKey(await generatePkcs8());
  const epoch = systemCryptography.randomBytes(8).toHex();
  const batchTools = { ...tools, server, key };
  const publicKey = toOpenSsh(key.publicKey);
  const first = { type: "key", fleet, epoch, public_key: publicKey, format: FORMAT } as const;
  const drafts: EntryDraft[][] = [[toDraft(START_MS, first)]];
  for (let batch = 1; batch <= size.batches; batch += 1) {
    const atMs = START_MS + batch * 60_000;
    drafts.push(Array.from({ length: size.messages }, (_, number) => toDraft(atMs, message(batch, number))));
  }
  let head: LogHead = { epoch, seq: 0, hash: "", tip: null, committedMs: 0 };
  const objects: GitObject[] = [];
  for (const [number, batch] of drafts.entries()) {
    const built = await buildBatch(batch, head, START_MS + number * 60_000, batchTools);
    head = built.head;
    objects.push(...built.objects);
  }
  const { seq, hash } = head;
  const card: Card = {
    v: FORMAT,
    server,
    fleet,
    n: 1,
    run: epoch,
    at: new Date(START_MS).toISOString(),
    version: "0.0.0",
    public_key: publicKey,
    capabilities: ["messages"],
    groups: [],
    health: { status: "ok" },
    log: { epoch, seq, hash },
    cursors: {},
  };
  const built = await buildCard({ card, parent: null, committedMs: START_MS }, batchTools);
  objects.push(...built.objects);
  const refs = [`${head.tip} refs/fleet/log/${server}`, `${built.commitId} refs/fleet/state/${server}`];
  return { objects, refs };
}

const toDraft = (atMs: number, body: EntryDraft["body"]): EntryDraft => ({
  id: systemCryptography.uuidV7(atMs),
  at: new Date(atMs).toISOString(),
  body,
});

const message = (batch: number, number: number): EntryDraft["body"] => ({
  type: "message",
  to: [number % 2 === 0 ? "all" : `server-${number}`],
  subject: `Deployment ${batch}.${number} finished`,
  body: `Everything of step ${number} in round ${batch} is done; the next step waits for its turn.`,
  ...(number % 3 === 0 ? { kind: "update", priority: "high" } : {}),
});

/** Type numbers of a pack (gitformat-pack). */
const PACK_TYPES: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3 };

function writePack(temp: TempGit, remote: string, objects: readonly GitObject[]): void {
  const unique = [...new Map(objects.map((object) => [object.id, object])).values()];
  const header = Buffer.alloc(12);
  header.write("PACK");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(unique.length, 8);
  const body = Buffer.concat([header, ...unique.flatMap(packedObject)]);
  const digest = new Bun.CryptoHasher("sha1").update(body).digest();
  const pack = temp.path("remote.pack");
  writeFileSync(pack, Buffer.concat([body, digest]));
  const indexed = Bun.spawnSync(["git", "-C", remote, "index-pack", "--stdin"], {
    env: temp.environment,
    stdin: Bun.file(pack),
  });
  if (indexed.exitCode !== 0) throw new Error(`git index-pack: ${indexed.stderr.toString()}`);
}

function packedObject({ kind, content }: GitObject): Uint8Array[] {
  const size: number[] = [];
  let rest = Math.floor(content.length / 16);
  size.push((PACK_TYPES[kind] << 4) | (content.length % 16) | (rest > 0 ? 0x80 : 0));
  while (rest > 0) {
    size.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  }
  return [Uint8Array.from(size), deflateSync(content, { level: 1 })];
}
