// Pushes of strangers, thrown at one fleet by a seed while honest servers go on talking. The one idea: every hostile push
// is a shape of a tree, a shape of a commit and a place, drawn apart, so that few hundred draws meet most pairs.
import type { SigningKey } from "../../src/base/ports/cryptography.ts";
import { buildBatch, type LogHead } from "../../src/fleet/messaging/build-batch.ts";
import type { EntryBody } from "../../src/fleet/messaging/model.ts";
import { signSsh, toOpenSsh } from "../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../src/platform/cryptography.ts";
import { idOf, keyFromSeed } from "./batch-tools.ts";
import type { HostileRemote, TreeRow } from "./hostile-remote.ts";
import { MARKER } from "./hostile-words.ts";

const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
const NOWHERE = "1".repeat(40);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
const ESCAPES = "\u001B]52;c;b3duZWQ=\u0007\u001B]0;owned\u0007\u001B[2J\u009B31m\u202Egnp";

/** An honest server that nobody runs: it builds its batches with fleetd's own code. */
export class HonestWriter {
  readonly server: string;
  readonly bodies: string[] = [];
  readonly #remote: HostileRemote;
  readonly #key: SigningKey;
  readonly #fleet: string;
  #head: LogHead;
  #count = 0;
  /** The last good batch: its blobs, for those who repeat it. */
  last: { readonly entries: string; readonly signature: string } | null = null;
  /** Where the ref stands, whoever moved it there. */
  tip: string | null = null;

  constructor(
    remote: HostileRemote,
    server: string,
    who: { readonly key: SigningKey; readonly fleet: string },
  ) {
    this.server = server;
    this.#remote = remote;
    this.#key = who.key;
    this.#fleet = who.fleet;
    this.#head = { epoch: "00000000000000e1", seq: 0, hash: "", tip: null, committedMs: 0 };
  }

  async join(): Promise<void> {
    const public_key = toOpenSsh(this.#key.publicKey);
    await this.#push({ type: "key", fleet: this.#fleet, epoch: this.#head.epoch, public_key, format: 1 });
  }

  async say(to: string, body: string): Promise<void> {
    this.bodies.push(body);
    await this.#push({ type: "message", to: [to], subject: "honest", body });
  }

  /** Signs anything as this server. */
  sign = (bytes: Uint8Array, namespace: "fleetd-log" | "fleetd-card" = "fleetd-log"): Promise<Uint8Array> =>
    signSsh(bytes, namespace, { cryptography, key: this.#key });

  /** Puts a commit on the ref, whosever it is. */
  moveTo(commit: string): void {
    this.tip = commit;
    this.#remote.point(`refs/fleet/log/${this.server}`, commit);
  }

  async #push(body: EntryBody): Promise<void> {
    this.#count += 1;
    const prefix = Bun.hash.crc32(this.server).toString(16).padStart(8, "0");
    const draft = { id: `${prefix}${idOf(this.#count).slice(8)}`, at: new Date().toISOString(), body };
    const tools = { server: this.server, format: "sha1", cryptography, key: this.#key } as const;
    const batch = await buildBatch([draft], { ...this.#head, tip: this.tip }, Date.now(), tools);
    for (const { kind, content } of batch.objects) this.#remote.put(kind, content);
    const [entries, signature] = batch.objects;
    this.last = { entries: entries?.id ?? "", signature: signature?.id ?? "" };
    this.#head = batch.head;
    this.moveTo(batch.commitId);
  }
}

/** Draws hostile pushes from a seed. */
export class Stranger {
  readonly #remote: HostileRemote;
  readonly #random: () => number;
  readonly #honest: HonestWriter;
  readonly #key: Promise<SigningKey>;
  #refs = 0;
  /** What was done, for whoever looks for the one that hurts. */
  readonly deeds: string[] = [];

  constructor(remote: HostileRemote, honest: HonestWriter, random: () => number) {
    this.#remote = remote;
    this.#honest = honest;
    this.#random = random;
    this.#key = keyFromSeed((index) => 200 - index);
  }

  /** One hostile push: on top of the honest log, on a ref of its own, as a card, or under an odd name. */
  async strike(): Promise<void> {
    const [place, push] = this.#pick<readonly [string, () => Promise<void>]>([
      ["on top of a log", () => this.#onTop()],
      ["on top of a log", () => this.#onTop()],
      ["as a log", () => this.#asLog()],
      ["as a card", () => this.#asCard()],
      ["as an odd ref", () => this.#asOddRef()],
    ]);
    this.deeds.push(place);
    await push();
  }

  /** Refs that name an object that is not there, or none: from now on git refuses every push to this remote. */
  breakRefs(): void {
    this.#remote.point(`refs/fleet/log/${this.#newName()}`, NOWHERE);
    this.#remote.point(`refs/fleet/state/${this.#newName()}`, "");
    this.#remote.point(`refs/fleet/state/${this.#newName()}`, "0".repeat(40));
    this.#remote.point("refs/fleet/log/half", NOWHERE.slice(20));
  }

  async #onTop(): Promise<void> {
    const files = await this.#logFiles();
    this.#honest.moveTo(this.#commit(this.#tree(files), this.#honest.tip));
  }

  async #asLog(): Promise<void> {
    const commit = this.#commit(this.#tree(await this.#logFiles()), null);
    this.#remote.point(`refs/fleet/log/${this.#newName()}`, this.#target(commit));
  }

  async #asCard(): Promise<void> {
    const commit = this.#commit(this.#tree(await this.#cardFiles()), null);
    const server = this.#random() < 0.5 ? this.#honest.server : this.#newName();
    this.#remote.point(
      `refs/fleet/state/${server}`,
      server === this.#honest.server ? commit : this.#target(commit),
    );
  }

  async #asOddRef(): Promise<void> {
    const commit = this.#commit(this.#tree(await this.#logFiles()), null);
    const kind = this.#pick(["log", "state", "files", "claim", "x"]);
    const odd = this.#pick([
      "Alpha",
      "con",
      "all",
      "a.b",
      "-oProxyCommand=x",
      "\u202Egnp",
      "ü",
      "a/b/c",
      "x".repeat(100),
      `$(${MARKER})`,
      `;${MARKER};`,
      "%s%n",
      "constructor",
      "__proto__",
      "a'b\"c",
      "@",
      "{}",
    ]);
    const below = this.#pick(["", `-${this.#refs}`, `/${this.#newName()}`]);
    // A file cannot be where a folder is: each kind of name has its own place.
    this.#remote.point(
      `refs/fleet/${kind}/${below.startsWith("/") ? `d-${odd}` : odd}${below}`,
      this.#target(commit),
    );
  }

  /** A commit, or something that leads to one, or nothing of the kind. */
  #target(commit: string): string {
    const tag = (kind: string, id: string): string =>
      this.#remote.put(
        "tag",
        `object ${id}\ntype ${kind}\ntag x\ntagger x <x@x.invalid> 1 +0000\n\n${ESCAPES}\n`,
      );
    return this.#pick([
      () => commit,
      () => commit,
      () => tag("commit", commit),
      () => tag("tag", tag("commit", commit)),
      () => tag("blob", this.#remote.put("blob", "x")),
      () => this.#remote.put("blob", "no commit"),
      () => this.#remote.tree([]),
      () => `ref: refs/fleet/log/${this.#honest.server}`,
      // What a remote that lost something, or never looked, cannot send: no push of git brings these there.
      () => this.#remote.put("commit", `tree ${NOWHERE}\nauthor x <x> 1 +0000\ncommitter x <x> 1 +0000\n\n`),
      () => this.#commit(this.#remote.tree([{ mode: "100644", name: "", id: EMPTY_BLOB }]), null),
    ])();
  }

  /** Contents of the two files of a batch. */
  async #logFiles(): Promise<readonly TreeRow[]> {
    const { last } = this.#honest;
    const key = await this.#key;
    const line = `{"v":1,"id":"${idOf(9)}","seq":3,"prev":null,"type":"message","from":"${this.#honest.server}","at":"2026-11-22T03:59:25.056Z","to":["all"],"subject":"s","body":"status?"}\n`;
    const content = this.#pick<() => Uint8Array>([
      () => text(line),
      () => text(line.replace('"status?"', DEEP)),
      () => text(line.replace('"status?"', '"x","__proto__":{"polluted":true},"body":"y"')),
      () => text(line.repeat(1001)),
      () => text("\n".repeat(5000)),
      () => new Uint8Array(256).map((_, index) => index),
      () => new Uint8Array(0),
      () => text(`/etc/passwd`),
      () => (this.#random() < 0.2 ? new Uint8Array(10_000_000).fill(0x3f) : text(line.repeat(20))),
      () => text(ESCAPES),
    ])();
    const entries = this.#remote.put("blob", content);
    const signature = await this.#pick<() => Promise<string> | string>([
      async () => this.#remote.put("blob", await signSsh(content, "fleetd-log", { cryptography, key })),
      async () => this.#remote.put("blob", await this.#honest.sign(content, "fleetd-card")),
      () => last?.signature ?? EMPTY_BLOB,
      () => this.#remote.put("blob", "x".repeat(5000)),
      () => this.#remote.put("blob", ""),
    ])();
    const rows = this.#rows("entries.jsonl", entries, "entries.sig", signature);
    // Sometimes what its owner wrote, once more.
    return this.#random() < 0.2 && last !== null
      ? this.#rows("entries.jsonl", last.entries, "entries.sig", last.signature)
      : rows;
  }

  /** Contents of a card, now and then one that its owner signed and yet is wrong. */
  async #cardFiles(): Promise<readonly TreeRow[]> {
    const content = this.#pick<() => string>([
      () => "{}",
      () => DEEP,
      () => `{"v":1,"server":"${this.#honest.server}","n":${"9".repeat(400)}}`,
      () => `{"a":"${"x".repeat(70_000)}"}`,
      () => ESCAPES,
      () => "",
    ])();
    const card = this.#remote.put("blob", content);
    const signature = this.#remote.put("blob", await this.#honest.sign(text(content), "fleetd-card"));
    return this.#rows("card.json", card, "card.sig", signature);
  }

  /** Two files as themselves or as something that is no file. */
  #rows(name: string, id: string, signed: string, signature: string): readonly TreeRow[] {
    const asFile = { mode: "100644", name, id };
    const folder = (): TreeRow => ({
      mode: "40000",
      name,
      id: this.#remote.tree([{ ...asFile, name: "x" }]),
    });
    const first = this.#pick<() => readonly TreeRow[]>([
      () => [asFile],
      () => [asFile],
      () => [{ ...asFile, mode: "100755" }],
      () => [{ ...asFile, mode: "120000" }],
      () => [{ mode: "160000", name, id: NOWHERE }],
      () => [folder()],
      () => [asFile, asFile],
      () => [asFile, { ...asFile, mode: "120000" }],
      () => [{ ...asFile, mode: "100664" }],
      () => [],
    ])();
    const second = {
      mode: this.#pick(["100644", "100644", "100755", "120000"]),
      name: signed,
      id: signature,
    };
    return [...first, second];
  }

  /** A tree with these files, and often more in it than there should be. */
  #tree(files: readonly TreeRow[]): string {
    const file = (name: string | Uint8Array, mode = "100644"): TreeRow => ({
      mode,
      name,
      id: this.#remote.put("blob", `${MARKER}\n`),
    });
    const inner = (name: string, rows: readonly TreeRow[]): TreeRow => ({
      mode: "40000",
      name,
      id: this.#remote.tree(rows),
    });
    const more = this.#pick<() => readonly TreeRow[]>([
      () => [],
      () => [],
      () => [file(".."), file("."), file(".git"), file(".GIT"), file("git~1"), file(".gitmodules", "120000")],
      () => [inner(".git", [file("config"), inner("hooks", [file("post-checkout", "100755")])])],
      () => [inner("..", [inner("..", [file("x")])])],
      () => [file("a\nb"), file(ESCAPES), file(new Uint8Array([0xff, 0xfe])), file("x".repeat(5000))],
      () => [
        file(`-oProxyCommand=${MARKER}`),
        file("--upload-pack=x"),
        file("/etc/passwd"),
        file("C:\\x"),
        file("con"),
      ],
      () => [file(".gitattributes"), file(".gitconfig"), { mode: "160000", name: "sub", id: NOWHERE }],
      () => Array.from({ length: 3000 }, (_, index) => file(`f${index}`)),
      () => [inner("deep", [inner("deep", [inner("deep", [file("x", "100755")])])])],
    ])();
    const rows = [...files, ...more];
    return this.#remote.tree(this.#random() < 0.3 ? rows.toReversed() : rows);
  }

  /** A commit on `parent`, as odd as it may be and still be walked. */
  #commit(tree: string, parent: string | null): string {
    const others = (count: number): string[] =>
      Array.from({ length: count }, (_, index) =>
        this.#remote.put(
          "commit",
          `tree ${tree}\nauthor x <x> ${index} +0000\ncommitter x <x> ${index} +0000\n\n\n`,
        ),
      );
    const parents = [
      ...(parent === null ? [] : [parent]),
      ...(this.#random() < 0.2 ? others(this.#pick([1, 3, 20])) : []),
      ...(this.#random() < 0.05 && parent !== null ? [parent] : []),
    ];
    const who = this.#pick([
      "x <x@x.invalid>",
      "",
      "<>",
      `${ESCAPES} <x>`,
      "a <b> c <d>",
      "\u00ff\u00fe <x>",
    ]);
    const date = this.#pick([
      "1700000000 +0000",
      "0 +0000",
      "-1 +0000",
      "99999999999 +9999",
      "9223372036854775808 -9999",
      "99999999999999999999999 +0000",
      "x",
      "",
    ]);
    const headers = this.#pick([
      "",
      "",
      "encoding UTF-7\n",
      `encoding ${ESCAPES}\n`,
      "gpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n",
      `parent ${NOWHERE}\n`,
      "mergetag object x\n",
      `${"x".repeat(5000)}\n`,
    ]);
    const message = this.#pick([
      () => "plain\n",
      () => "",
      () => ESCAPES,
      () => "a\u0000b",
      () => "x".repeat(this.#random() < 0.3 ? 2_000_000 : 1000),
      () => "\n\ntree x\nparent y\n",
    ])();
    const lines = [
      `tree ${tree}`,
      ...parents.map((id) => `parent ${id}`),
      `author ${who} ${date}`,
      `committer ${who} ${date}`,
    ];
    return this.#remote.put("commit", `${lines.join("\n")}\n${headers}\n${message}`);
  }

  #newName(): string {
    this.#refs += 1;
    return `rogue-${this.#refs}`;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }
}
