import type { GitStore } from "../../src/base/ports/git-store.ts";
import { MemoryStore } from "../helpers/memory-git.ts";
import type { Chance } from "./chance.ts";
import type { Life } from "./life.ts";

/** Names that git writes when it fetches. */
const FETCHED = /^refs\/(?:fleet|remote)\/|^refs\/own\/(?:found-log|card)$/;

/** The object store of a simulated machine, which knows what a power cut takes. */
export class SimStore extends MemoryStore {
  #refsOnDisk: ReadonlyMap<string, string> | null = null;
  readonly #listed = new Map<string, Map<string, string>>();

  override readRefs(prefix: string): Map<string, string> {
    const known = this.#listed.get(prefix) ?? super.readRefs(prefix);
    this.#listed.set(prefix, known);
    return known;
  }

  override writeRef(name: string, id: string | null): void {
    if ((this.refs.get(name) ?? null) === id) return;
    this.#listed.clear();
    super.writeRef(name, id);
  }

  /** What a copy of its folder holds. */
  copy(): {
    readonly objects: SimStore["objects"];
    readonly refs: SimStore["refs"];
    readonly durable: SimStore["durable"];
  } {
    return { objects: new Map(this.objects), refs: new Map(this.refs), durable: new Set(this.durable) };
  }

  /** A copy takes the place of the folder. */
  replaceBy({ objects, refs, durable }: ReturnType<SimStore["copy"]>): void {
    this.#listed.clear();
    this.objects.clear();
    this.refs.clear();
    this.durable.clear();
    for (const [id, object] of objects) this.objects.set(id, object);
    for (const [name, id] of refs) this.refs.set(name, id);
    for (const id of durable) this.durable.add(id);
  }

  /** A power cut is ahead: names that are written from now on may be found as they are now. */
  arm(): void {
    this.#refsOnDisk ??= new Map(this.refs);
  }

  /** Objects that were not brought to the disk are gone, and of the names that changed some are as they were. */
  cutPower(chance: Chance): void {
    const before = this.#refsOnDisk ?? new Map(this.refs);
    this.#refsOnDisk = null;
    this.#listed.clear();
    for (const name of [...new Set([...before.keys(), ...this.refs.keys()])].sort()) {
      const [old, now] = [before.get(name), this.refs.get(name)];
      // What git fetched it has synced itself, names and all; ours are renamed into place without.
      if (old === now || FETCHED.test(name) || chance.isTrue(0.5)) continue;
      if (old === undefined) this.refs.delete(name);
      else this.refs.set(name, old);
    }
    this.losePower();
  }

  /** The store as one process has it open. */
  portOf(life: Life): GitStore {
    return {
      format: this.format,
      writeObjects: (objects, durable) => {
        life.call();
        this.writeObjects(objects, durable);
      },
      verifyObject: (id) => {
        life.call();
        return this.verifyObject(id);
      },
      readObjects: (names, sizeBytesMax) => {
        life.call();
        return this.readObjects(names, sizeBytesMax);
      },
      listCommits: (tip, known, commitsMax) => {
        life.call();
        return this.listCommits(tip, known, commitsMax);
      },
      readRefs: (prefix) => {
        life.call();
        return this.readRefs(prefix);
      },
      writeRef: (name, id) => {
        life.call();
        this.writeRef(name, id);
      },
      close: () => Promise.resolve(),
    };
  }
}
