import { existsSync } from "node:fs";
import { FleetError } from "../../base/errors.ts";
import type { ObjectFormat, ReadObject } from "../../base/ports/git-store.ts";
import { type BatchAnswer, BatchReader } from "./batch-reader.ts";
import { entryOf, readLooseName } from "./loose-names.ts";
import { looseObjectPath, objectIdOf, readLooseObject } from "./loose-objects.ts";
import { idLength } from "./ref-files.ts";

/** An object of our own that is larger than this cannot be verified: chosen, batches are 4 MiB. */
const VERIFIED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * After so many names in a row that are no small loose file the rest of a question goes to git: what was fetched
 * together lies together, and looking for a file that is not there takes longer than git's answer. Chosen.
 */
const LOOSE_MISSES_MAX = 8;

/** A tree that is larger than this was made by a stranger: ours have two entries. Chosen. */
const TREE_BYTES_MAX = 1024 * 1024;

/**
 * Reads objects: small loose ones in-process, the others through two persistent `git cat-file`, one that tells sizes
 * and one that delivers content.
 */
export class ObjectReader {
  readonly #objectsFolder: string;
  readonly #format: ObjectFormat;
  readonly #sizes: BatchReader;
  readonly #contents: BatchReader;

  constructor(folder: string, format: ObjectFormat, environment: Record<string, string>) {
    this.#objectsFolder = `${folder}/objects`;
    this.#format = format;
    this.#sizes = new BatchReader(folder, environment, false);
    this.#contents = new BatchReader(folder, environment, true);
  }

  /** As `GitStore.readObjects`. */
  async read(names: readonly string[], sizeBytesMax: number): Promise<ReadObject[]> {
    const answers = this.#readLooseOnes(names, sizeBytesMax);
    const rest = names.filter((_, index) => answers[index] === null);
    const read = await this.#readWithGit(rest, sizeBytesMax);
    for (const [index, name] of rest.entries()) if (read[index] === null) await this.#requireAbsent(name);
    const others = read.values();
    return answers.map((answer) => answer ?? others.next().value ?? { status: "missing" });
  }

  /**
   * The commit `id` and up to `count` - 1 first-parent ancestors behind it, in order; a loose commit comes alone. What
   * lies behind the root is missing.
   */
  async readChain(id: string, count: number, sizeBytesMax: number): Promise<ReadObject[]> {
    const loose = this.#readLoose(id, sizeBytesMax);
    if (loose !== null) return [loose];
    const ancestors = Array.from({ length: count - 1 }, (_, index) => `${id}~${index + 1}`);
    const answers = await this.#readWithGit([id, ...ancestors], sizeBytesMax);
    // That nothing lies behind the root is no damage.
    if (answers[0] === null) this.#requireNoFile(id);
    return answers.map((answer) => answer ?? { status: "missing" });
  }

  /** As `GitStore.verifyObject`. */
  async verify(id: string): Promise<boolean> {
    const loose = readLooseObject(looseObjectPath(this.#objectsFolder, id), VERIFIED_BYTES_MAX);
    if (loose !== null && objectIdOf(this.#format, loose.bytes) === id) return true;
    const [answer] = await this.#readWithGit([id], VERIFIED_BYTES_MAX).catch(() => []);
    if (answer?.status !== "found") return false;
    const header = Buffer.from(`${answer.kind} ${answer.content.length}\0`, "latin1");
    return objectIdOf(this.#format, Buffer.concat([header, answer.content])) === id;
  }

  /** Ends both processes. */
  async close(): Promise<void> {
    await Promise.all([this.#sizes.close(), this.#contents.close()]);
  }

  /** The loose ones among `names`, null for each that git has to be asked for. */
  #readLooseOnes(names: readonly string[], sizeBytesMax: number): (ReadObject | null)[] {
    let missed = 0;
    return names.map((name) => {
      const answer = missed === LOOSE_MISSES_MAX ? null : this.#readLoose(name, sizeBytesMax);
      missed = answer === null ? Math.min(missed + 1, LOOSE_MISSES_MAX) : 0;
      return answer;
    });
  }

  #readLoose(name: string, sizeBytesMax: number): ReadObject | null {
    const loose = readLooseName(this.#objectsFolder, this.#format, name);
    if (loose === null) return null;
    const sizeBytes = loose.content.length;
    if (sizeBytes > sizeBytesMax) return { status: "too-large", sizeBytes };
    return { status: "found", id: loose.id, kind: loose.kind, content: loose.content };
  }

  async #readWithGit(names: readonly string[], sizeBytesMax: number): Promise<(ReadObject | null)[]> {
    if (names.length === 0) return [];
    const sizes = await this.#sizes.ask(names);
    const wanted = sizes.flatMap((answer) =>
      answer !== null && answer.sizeBytes <= sizeBytesMax ? [answer.id] : [],
    );
    const contents = (await this.#readContents(wanted, sizeBytesMax)).values();
    return sizes.map((answer): ReadObject | null => {
      if (answer === null) return null;
      if (answer.sizeBytes > sizeBytesMax) return { status: "too-large", sizeBytes: answer.sizeBytes };
      const content = contents.next().value;
      if (content?.status !== "found") throw this.#damaged(answer.id);
      return content;
    });
  }

  /**
   * git calls missing also what is damaged or lost, and what a batch has lost must not count as never written. What the
   * tree of a commit names was here with it, since a fetch brings all of it or nothing; only the commit of a submodule
   * never was. @throws FleetError IO when `name`, that git did not find, should be here
   */
  async #requireAbsent(name: string): Promise<void> {
    const [id = "", path] = name.split(":");
    this.#requireNoFile(id);
    if (path === undefined) return;
    const [first, root] = await this.#sizes.ask([id, `${id}^{tree}`]);
    // A ref may name anything, and what is no commit has no files.
    if (first?.kind !== "commit") return;
    if (root == null) throw this.#damaged(id, "its tree is damaged or lost");
    let tree = root;
    for (const part of path.split("/")) {
      if (tree.kind !== "tree" || tree.sizeBytes > TREE_BYTES_MAX) return;
      const [content] = await this.#readContents([tree.id], TREE_BYTES_MAX);
      if (content?.status !== "found") throw this.#damaged(tree.id);
      const entry = entryOf(content.content, part, idLength(this.#format));
      if (entry === null || entry.isElsewhere) return;
      const [named] = await this.#sizes.ask([entry.id]);
      if (named == null) throw this.#damaged(entry.id);
      tree = named;
    }
  }

  /** @throws FleetError IO when there is a file for the object `id`, and it is damaged */
  #requireNoFile(id: string): void {
    const path = looseObjectPath(this.#objectsFolder, id);
    if (existsSync(path) && readLooseObject(path, Number.MAX_SAFE_INTEGER) === null) throw this.#damaged(id);
  }

  #damaged(id: string, what = "it is damaged or lost"): FleetError {
    return new FleetError("IO", `Cannot read the object ${id} in "${this.#objectsFolder}": ${what}`);
  }

  async #readContents(ids: readonly string[], sizeBytesMax: number): Promise<ReadObject[]> {
    // Small loose ones save the start of a process; one that runs already is faster than looking for their files.
    const loose = this.#contents.isRunning ? ids.map(() => null) : this.#readLooseOnes(ids, sizeBytesMax);
    const rest = ids.filter((_, index) => loose[index] === null);
    const contents = (rest.length === 0 ? [] : await this.#contents.ask(rest)).values();
    return loose.map((answer) => answer ?? toReadObject(contents.next().value ?? null));
  }
}

function toReadObject(answer: BatchAnswer): ReadObject {
  if (answer === null || answer.content === null) return { status: "missing" };
  return { status: "found", id: answer.id, kind: answer.kind, content: answer.content };
}
