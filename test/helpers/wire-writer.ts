import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WireFleet } from "./wire-fleet.ts";

/** Files of a tree: bytes are a plain file; otherwise a mode and an object id as `git mktree` takes them. */
export type TreeFiles = Readonly<
  Record<string, Uint8Array | { readonly mode: string; readonly kind: string; readonly id: string }>
>;

const LF = new Uint8Array([0x0a]);

/**
 * A server made by hand from the description of the format: plain git, `ssh-keygen -Y sign`, and none of fleetd's own
 * code. It can write what fleetd never would.
 */
export class WireWriter {
  readonly server: string;
  readonly fleetId: string;
  publicKey: string;
  readonly logRef: string;
  readonly stateRef: string;
  epoch = randomBytes(8).toString("hex");
  seq = 0;
  prev: string | null = null;
  readonly #fleet: WireFleet;
  #keyFile: string;
  #messages = 0;

  constructor(fleet: WireFleet, server: string) {
    this.#fleet = fleet;
    this.server = server;
    this.#keyFile = this.#newKey();
    this.publicKey = publicKeyIn(this.#keyFile);
    this.logRef = `refs/fleet/log/${server}`;
    this.stateRef = `refs/fleet/state/${server}`;
    const meta = JSON.parse(fleet.gitText("show", "refs/fleet/meta:meta.json")) as { fleet: string };
    this.fleetId = meta.fleet;
  }

  /** Writes the first batch: the key entry. */
  join(): this {
    const { fleetId: fleet, epoch, publicKey: public_key } = this;
    this.push([this.line({ type: "key", fleet, epoch, public_key, format: 1 })]);
    return this;
  }

  /** Somebody else who has this server's key as it is now, and knows where its log ends. */
  thief(): WireWriter {
    const thief = new WireWriter(this.#fleet, this.server);
    thief.#keyFile = this.#keyFile;
    thief.publicKey = this.publicKey;
    thief.epoch = this.epoch;
    thief.seq = this.seq;
    thief.prev = this.prev;
    return thief;
  }

  /**
   * The line that hands the log over to a new key, with its proof, and what makes that key this writer's from then on.
   * `fields` replace or add.
   */
  handover(fields: Readonly<Record<string, unknown>> = {}): { line: Uint8Array; take: () => void } {
    const keyFile = this.#newKey();
    const publicKey = publicKeyIn(keyFile);
    const epoch = randomBytes(8).toString("hex");
    const { fleetId: fleet, server } = this;
    const said = JSON.stringify(["fleetd", "rotate", fleet, server, epoch, this.publicKey, publicKey]);
    const proof = new TextDecoder().decode(this.#sign(new TextEncoder().encode(said), "fleetd-key", keyFile));
    const body = { type: "key", fleet, epoch, public_key: publicKey, format: 1, proof };
    const text = JSON.stringify({ ...this.envelope(), seq: 1, ...body, ...fields });
    const line = new TextEncoder().encode(text);
    const take = (): void => {
      this.#keyFile = keyFile;
      this.publicKey = publicKey;
      this.epoch = epoch;
      this.seq = 1;
      this.prev = `sha256:${createHash("sha256").update(line).digest("hex")}`;
    };
    return { line, take };
  }

  /** Changes the key as the format says. */
  rotate(): this {
    const { line, take } = this.handover();
    this.push([line]);
    take();
    return this;
  }

  /** One line at the end of the chain; `fields` replace or add to a request to everybody named in `to`. */
  line(fields: Readonly<Record<string, unknown>>): Uint8Array {
    return this.rawLine(JSON.stringify({ ...this.envelope(), ...fields }));
  }

  /** A line that takes its place in the chain whatever it says. */
  rawLine(text: string | Uint8Array): Uint8Array {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.seq += 1;
    this.prev = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return bytes;
  }

  /** The envelope of the next line. */
  envelope(): Record<string, unknown> {
    return {
      v: 1,
      id: this.newId(),
      seq: this.seq + 1,
      prev: this.prev,
      type: "message",
      from: this.server,
      at: new Date().toISOString(),
    };
  }

  /** A line with a message to `to`; by default a request, which a monitor would answer. */
  message(to: string, body: string, more: Readonly<Record<string, unknown>> = {}): Uint8Array {
    return this.line({ to: [to], subject: "made by hand", body, kind: "request", ...more });
  }

  newId(): string {
    this.#messages += 1;
    const hex = Date.now().toString(16).padStart(12, "0") + randomBytes(10).toString("hex");
    return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-7$3-8$4-$5");
  }

  /** A signed batch of `lines` on top of the log. Returns the commit. */
  push(lines: readonly Uint8Array[]): string {
    const bytes = joinLines(lines);
    return this.pushFiles({ "entries.jsonl": bytes, "entries.sig": this.sign(bytes) });
  }

  /** A commit with any files on top of the log, or with other `parents`. Returns the commit. */
  pushFiles(files: TreeFiles, parents?: readonly string[]): string {
    const commit = this.commit(files, parents ?? this.tips());
    this.#fleet.git(["update-ref", this.logRef, commit]);
    return commit;
  }

  /** The commit at the end of the log, if there is one. */
  tips(): readonly string[] {
    const tip = this.#fleet.refs().get(this.logRef);
    return tip === undefined ? [] : [tip];
  }

  /** A commit object with any files and parents, on no ref. */
  commit(files: TreeFiles, parents: readonly string[], message = `${this.server}: by hand`): string {
    const rows = Object.entries(files).map(([name, file]) => {
      const entry = file instanceof Uint8Array ? { mode: "100644", kind: "blob", id: this.blob(file) } : file;
      return `${entry.mode} ${entry.kind} ${entry.id}\t${name}\n`;
    });
    const tree = this.#text(["mktree", "--missing"], rows.join(""));
    const flags = parents.flatMap((parent) => ["-p", parent]);
    return this.#text(["commit-tree", tree, ...flags], message);
  }

  blob(bytes: Uint8Array): string {
    return this.#text(["hash-object", "-w", "--stdin"], bytes);
  }

  /** The card that this server would publish; `fields` replace or add. */
  card(n: number, fields: Readonly<Record<string, unknown>> = {}): Uint8Array {
    const card = {
      v: 1,
      server: this.server,
      fleet: this.fleetId,
      n,
      run: "00112233445566ff",
      at: new Date().toISOString(),
      version: "0",
      public_key: this.publicKey,
      capabilities: [],
      groups: [],
      health: { status: "ok" },
      log: { epoch: this.epoch, seq: this.seq, hash: this.prev },
      cursors: {},
      ...fields,
    };
    return new TextEncoder().encode(`${JSON.stringify(card)}\n`);
  }

  /** Publishes `card` on a state ref, the own one by default. */
  pushCard(card: Uint8Array, options: { ref?: string; signature?: Uint8Array } = {}): string {
    const signature = options.signature ?? this.sign(card, "fleetd-card");
    const commit = this.commit({ "card.json": card, "card.sig": signature }, []);
    this.#fleet.git(["update-ref", options.ref ?? this.stateRef, commit]);
    return commit;
  }

  /** The armored signature of `ssh-keygen -Y sign`. */
  sign(bytes: Uint8Array, namespace = "fleetd-log"): Uint8Array {
    return this.#sign(bytes, namespace, this.#keyFile);
  }

  #newKey(): string {
    const folder = join(this.#fleet.folder, "writers");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${this.server}-${randomBytes(4).toString("hex")}`);
    this.#ssh(["-q", "-t", "ed25519", "-N", "", "-C", this.server, "-f", file]);
    return file;
  }

  #sign(bytes: Uint8Array, namespace: string, keyFile: string): Uint8Array {
    const file = `${keyFile}.data`;
    writeFileSync(file, bytes);
    this.#ssh(["-q", "-Y", "sign", "-f", keyFile, "-n", namespace, file]);
    const signature = readFileSync(`${file}.sig`);
    this.#fleet.discard(`${file}.sig`);
    return signature;
  }

  #text(args: readonly string[], input: string | Uint8Array): string {
    return new TextDecoder().decode(this.#fleet.git(args, input)).trim();
  }

  #ssh(args: readonly string[]): void {
    const ran = Bun.spawnSync(["ssh-keygen", ...args], { env: this.#fleet.environment });
    if (ran.exitCode !== 0) throw new Error(`ssh-keygen ${args.join(" ")}: ${ran.stderr.toString()}`);
  }
}

function publicKeyIn(keyFile: string): string {
  const [type, base64] = readFileSync(`${keyFile}.pub`, "utf8").split(" ");
  return `${type} ${base64}`;
}

/** Lines as the bytes of `entries.jsonl`. */
export const joinLines = (lines: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(lines.flatMap((line) => [line, LF])));
