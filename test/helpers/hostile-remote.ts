// What somebody with the right to push can leave on a remote: trees, commits, tags, cards and refs as no git would make
// them. Objects are written straight into the repository, so nothing between us and the reader has an opinion on them.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { ObjectKind } from "../../src/base/ports/git-store.ts";
import { writeLooseObject } from "../../src/platform/git/loose-objects.ts";
import { gitObject } from "./temp-git.ts";

/** One row of a tree, as raw as git's own. */
export interface TreeRow {
  readonly mode: string;
  readonly name: string | Uint8Array;
  readonly id: string;
}

/** A bare repository of SHA-1 objects that is written to by hand. */
export class HostileRemote {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes an object; returns its id. */
  put(kind: ObjectKind | "tag", content: string | Uint8Array): string {
    const object = gitObject("sha1", kind as ObjectKind, content);
    writeLooseObject(`${this.#folder}/objects`, object, false);
    return object.id;
  }

  /** Writes a tree with these rows in this order, sorted or not, twice or not. */
  tree(rows: readonly TreeRow[]): string {
    const parts = rows.flatMap(({ mode, name, id }) => [
      Buffer.from(`${mode} `),
      Buffer.from(name),
      Buffer.from([0]),
      Buffer.from(id, "hex"),
    ]);
    return this.put("tree", new Uint8Array(Buffer.concat(parts)));
  }

  /** Points a ref at anything, or at another ref with `ref: NAME`; no name is refused that a file can have. */
  point(name: string, at: string): void {
    const path = `${this.#folder}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    // As git does it: nobody ever reads half of a ref.
    writeFileSync(`${path}.lock`, `${at}\n`);
    renameSync(`${path}.lock`, path);
  }
}
