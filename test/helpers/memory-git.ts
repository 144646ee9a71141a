/**
 * Git without processes and files: real objects with real ids, refs that move under git's rules, and a remote that can
 * be made to fail in the ways remotes fail. The contract suites hold these fakes and the real adapters to one behaviour.
 */
import { assert } from "../../src/base/assert.ts";
import { FleetError } from "../../src/base/errors.ts";
import type { GitRemote, RefReport, RefUpdate, RemoteFailure } from "../../src/base/ports/git-remote.ts";
import type {
  CommitStep,
  GitObject,
  GitStore,
  ObjectFormat,
  ReadObject,
} from "../../src/base/ports/git-store.ts";
import { fail, ok, type Result } from "../../src/base/result.ts";
import { toGitObject } from "../../src/fleet/messaging/git-encoding.ts";
import { systemCryptography } from "../../src/platform/cryptography.ts";

type Objects = Map<string, GitObject>;
type Options = { readonly timeoutMs: number; readonly signal: AbortSignal };

const ID_LENGTH: Readonly<Record<ObjectFormat, number>> = { sha1: 40, sha256: 64 };
const NAME = /^([0-9a-f]+)(?::([A-Za-z0-9._/-]+))?$/;

const isId = (text: string, format: ObjectFormat): boolean =>
  text.length === ID_LENGTH[format] && /^[0-9a-f]+$/.test(text);

/** The private repository of one server, in memory. */
export class MemoryStore implements GitStore {
  readonly format: ObjectFormat;
  readonly objects: Objects = new Map();
  readonly refs = new Map<string, string>();
  /** Ids of objects that were written durably: what a power cut would leave. */
  readonly durable = new Set<string>();
  readonly #damaged = new Set<string>();

  constructor(format: ObjectFormat = "sha1") {
    this.format = format;
  }

  writeObjects(objects: readonly GitObject[], durable: boolean): void {
    for (const object of objects) {
      assert(isId(object.id, this.format), `"${object.id}" is a ${this.format} id`);
      if (!this.#isWhole(object.id)) this.objects.set(object.id, object);
      this.#damaged.delete(object.id);
      if (durable) this.durable.add(object.id);
    }
  }

  verifyObject(id: string): Promise<boolean> {
    return Promise.resolve(this.#isWhole(id));
  }

  readObjects(names: readonly string[], sizeBytesMax: number): Promise<ReadObject[]> {
    for (const name of names) {
      assert(isId(NAME.exec(name)?.[1] ?? "", this.format), `"${name}" names an object by its full id`);
    }
    // Not `async`: what a caller must never ask for is thrown at once, what is damaged rejects.
    return new Promise((resolve) => resolve(names.map((name) => this.#read(name, sizeBytesMax))));
  }

  #read(name: string, sizeBytesMax: number): ReadObject {
    const [, id = "", path] = NAME.exec(name) ?? [];
    const found = path === undefined ? id : this.#find(id, path.split("/"));
    const object = found === null ? undefined : this.#wholeOrThrow(found);
    if (object === undefined && path !== undefined && found !== null) throw lost(found);
    if (object === undefined) return { status: "missing" };
    const sizeBytes = object.content.length;
    if (sizeBytes > sizeBytesMax) return { status: "too-large", sizeBytes };
    return { status: "found", id: object.id, kind: object.kind, content: object.content };
  }

  #wholeOrThrow(id: string): GitObject | undefined {
    if (this.#damaged.has(id)) throw lost(id);
    return this.objects.get(id);
  }

  listCommits(tip: string, known: string | null, commitsMax: number): Promise<CommitStep[]> {
    const steps: CommitStep[] = [];
    for (let id: string | undefined = tip; id !== undefined && id !== known; ) {
      const object = this.objects.get(id);
      if (object?.kind !== "commit") {
        const state = object === undefined ? "it is missing" : `it is a ${object.kind}`;
        return Promise.reject(new FleetError("IO", `Cannot read the commit ${id}: ${state}`));
      }
      const parents = parentsOf(object);
      steps.push({ id, parents });
      id = parents[0];
    }
    return Promise.resolve(steps.slice(Math.max(0, steps.length - commitsMax)).reverse());
  }

  readRefs(prefix: string): Map<string, string> {
    const found = [...this.refs].filter(([name]) => name.startsWith(prefix));
    return new Map(found.sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  writeRef(name: string, id: string | null): void {
    assert(id === null || isId(id, this.format), `"${id}" is a ${this.format} id`);
    if (id === null) this.refs.delete(name);
    else this.refs.set(name, id);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A power cut: what was never brought to the disk is gone. */
  losePower(): void {
    for (const id of this.objects.keys()) if (!this.durable.has(id)) this.objects.delete(id);
  }

  /** Leaves an object with half of its content, as a bad disk does. */
  damage(id: string): void {
    const object = this.objects.get(id);
    assert(object !== undefined, `${id} is there`);
    this.objects.set(id, { ...object, content: object.content.slice(0, object.content.length >> 1) });
    this.#damaged.add(id);
  }

  #isWhole(id: string): boolean {
    const object = this.objects.get(id);
    if (object === undefined) return false;
    const tools = { format: this.format, cryptography: systemCryptography };
    return toGitObject(object.kind, object.content, tools).id === id;
  }

  #find(id: string, path: readonly string[]): string | null {
    const object = this.#wholeOrThrow(id);
    const tree = object?.kind === "commit" ? this.#wholeOrThrow(treeOf(object)) : object;
    if (object?.kind === "commit" && tree === undefined) throw lost(treeOf(object));
    const [name, ...rest] = path;
    const entry = tree?.kind === "tree" ? entriesOf(tree, this.format).get(name ?? "") : undefined;
    if (tree === undefined || entry === undefined) return null;
    if (!this.objects.has(entry) && isSubmodule(tree, name ?? "")) return null;
    return rest.length === 0 ? entry : this.#find(entry, rest);
  }
}

/** The commit of a submodule is in no repository of ours. */
const isSubmodule = (tree: GitObject, name: string): boolean =>
  Buffer.from(tree.content).includes(`160000 ${name}\0`);

const lost = (id: string): FleetError =>
  new FleetError("IO", `Cannot read the object ${id}: it is damaged or lost`);

/** What goes wrong with a remote besides what the rules of git forbid. */
export interface RemoteTroubles {
  /** Every call fails so while this is set. */
  outage: RemoteFailure | null;
  /** The next calls fail so, one each. */
  nextFailures: RemoteFailure[];
  /** So many pushes are taken, and their answer is lost. */
  nextAnswersLost: number;
  /** So many pushes find the refs locked. */
  nextBusy: number;
  /** So many pushes get no answer, and arrive only when `landLate` is called. */
  nextDelayed: number;
  /** Why a ref is refused, or null. `added`: the text of everything that would be new on it. */
  refuse: (ref: string, change: { readonly isReplacement: boolean; readonly added: string }) => string | null;
  /** Why a push as a whole is refused, or null: what a `pre-receive` hook does. */
  refusePush: (refs: readonly string[], added: string) => string | null;
  /** Called at the start of every push, for what somebody else does at that moment. */
  beforePush: () => void;
}

/** A git remote in memory. Several stores connect to it. */
export class MemoryRemote {
  readonly format: ObjectFormat;
  readonly objects: Objects = new Map();
  readonly refs = new Map<string, string>();
  /** Locks that killed pushes left, by ref, with the wall ms of their making. */
  readonly locks = new Map<string, number>();
  /** Every push that reached the remote, in order. */
  readonly pushes: (readonly RefUpdate[])[] = [];
  /** How many calls of any kind reached out. */
  calls = 0;
  readonly troubles: RemoteTroubles = {
    outage: null,
    nextFailures: [],
    nextAnswersLost: 0,
    nextBusy: 0,
    nextDelayed: 0,
    refuse: () => null,
    refusePush: () => null,
    beforePush: () => undefined,
  };

  readonly #late: (() => void)[] = [];

  constructor(format: ObjectFormat = "sha1") {
    this.format = format;
  }

  /** A push that is still under way on the remote: it arrives where nothing else did. */
  delay(updates: readonly RefUpdate[], apply: (update: RefUpdate) => void): void {
    const found = updates.map(({ ref }) => this.refs.get(ref));
    this.#late.push(() => {
      if (updates.every(({ ref }, position) => this.refs.get(ref) === found[position]))
        updates.forEach(apply);
    });
  }

  /** What was under way arrives now. */
  landLate(): void {
    for (const land of this.#late.splice(0)) land();
  }

  connect(store: MemoryStore, options: { readonly listsCheaply?: boolean } = {}): MemoryConnection {
    return new MemoryConnection(this, store, options.listsCheaply ?? true);
  }

  /** Hosts such as some code forges: refs outside of branches and tags are refused. */
  refuseCustomRefs(): void {
    this.troubles.refuse = (ref) => (ref.startsWith("refs/heads/") ? null : "deny updating a hidden ref");
  }

  /** As `receive.denyNonFastForwards`, which concerns branches alone, or as a hook does it for any `prefix`. */
  refuseReplacing(prefix = "refs/heads/"): void {
    this.troubles.refuse = (ref, { isReplacement }) =>
      isReplacement && ref.startsWith(prefix) ? "non-fast-forward" : null;
  }

  /** Puts commits on a ref as anybody with access could. */
  put(ref: string, objects: readonly GitObject[], id: string | null): void {
    for (const object of objects) this.objects.set(object.id, object);
    if (id === null) this.refs.delete(ref);
    else this.refs.set(ref, id);
  }
}

/** A push whose objects are on the remote, and whose refs have not moved yet. */
export interface PreparedPush {
  /** What the pusher knows by now: what he sees is stale, up to date, or refused is not even tried. */
  readonly reports: readonly RefReport[];
  /** Moves the refs where they still are as the pusher saw them. */
  readonly land: () => RefReport[];
}

/** The remote as one store sees it. */
export class MemoryConnection implements GitRemote {
  readonly displayUrl = "memory://remote";
  readonly folder = null;
  readonly #remote: MemoryRemote;
  readonly #store: MemoryStore;
  readonly #listsCheaply: boolean;

  constructor(remote: MemoryRemote, store: MemoryStore, listsCheaply: boolean) {
    this.#remote = remote;
    this.#store = store;
    this.#listsCheaply = listsCheaply;
  }

  fetch(refspecs: readonly string[], options: Options): Promise<Result<{ changed: boolean }, RemoteFailure>> {
    const failure = this.#reach(options);
    if (failure !== null) return Promise.resolve(fail(failure));
    const moves = this.#movesOf(refspecs);
    if (!moves.ok) return Promise.resolve(moves);
    const { objects: from, format } = this.#remote;
    let changed = false;
    for (const [name, id] of moves.value) {
      changed ||= (this.#store.refs.get(name) ?? null) !== id;
      // What git fetches it brings to the disk itself.
      const onCopy = (copied: string): void => void this.#store.durable.add(copied);
      if (id !== null) copyObjects(id, { from, to: this.#store.objects, format, onCopy });
      this.#store.writeRef(name, id);
    }
    return Promise.resolve(ok({ changed }));
  }

  /** Local refs by name with what they will be; null for one that vanished from the remote. */
  #movesOf(refspecs: readonly string[]): Result<Map<string, string | null>, RemoteFailure> {
    const moves = new Map<string, string | null>();
    for (const refspec of refspecs) {
      const { source, target } = parseRefspec(refspec);
      const found = match(this.#remote.refs, source, target);
      const isGlob = source.endsWith("*");
      if (!isGlob && found.size === 0) {
        return fail({ kind: "failed", detail: `fatal: couldn't find remote ref ${source}` });
      }
      const known = isGlob ? this.#store.readRefs(target.slice(0, -1)).keys() : [];
      for (const name of known) moves.set(name, null);
      for (const [name, id] of found) moves.set(name, id);
    }
    return ok(moves);
  }

  push(
    updates: readonly RefUpdate[],
    options: Options & { readonly atomic: boolean },
  ): Promise<Result<RefReport[], RemoteFailure>> {
    const { troubles, pushes } = this.#remote;
    const failure = this.#reach(options);
    if (failure !== null) return Promise.resolve(fail(failure));
    troubles.beforePush();
    pushes.push(updates);
    const isBusy = troubles.nextBusy > 0;
    if (isBusy) troubles.nextBusy -= 1;
    if (troubles.nextDelayed > 0) {
      troubles.nextDelayed -= 1;
      this.#remote.delay(updates, (update) => this.#apply(update));
      return Promise.resolve(fail({ kind: "timeout", detail: "no answer" }));
    }
    const judged = this.#judgePush(
      updates,
      updates.map((update) => this.#judge(update, isBusy)),
    );
    const reports = options.atomic ? allOrNone(judged) : judged;
    for (const [position, update] of updates.entries()) {
      if (reports[position]?.status === "pushed") this.#apply(update);
    }
    if (troubles.nextAnswersLost > 0) {
      troubles.nextAnswersLost -= 1;
      return Promise.resolve(fail({ kind: "unreachable", detail: "the remote end hung up unexpectedly" }));
    }
    return Promise.resolve(ok(reports));
  }

  /**
   * The first half of a push, for whoever has something happen between its halves: looks at the refs and sends the
   * objects. Troubles but `refuse` and `refusePush` are for the caller to make.
   */
  prepare(updates: readonly RefUpdate[], { atomic }: { readonly atomic: boolean }): PreparedPush {
    const { pushes, refs, objects, locks } = this.#remote;
    pushes.push(updates);
    const judged = this.#judgePush(
      updates,
      updates.map((update) => this.#judge(update, false)),
    );
    const reports = atomic ? allOrNone(judged) : judged;
    const moving = updates.filter((_, position) => reports[position]?.status === "pushed");
    const seen = new Map(moving.map(({ ref }) => [ref, refs.get(ref)]));
    for (const { id } of moving) {
      if (id !== null)
        copyObjects(id, { from: this.#store.objects, to: objects, format: this.#store.format });
    }
    const landOne = (report: RefReport): RefReport => {
      const { ref, status } = report;
      if (status !== "pushed") return report;
      if (refs.get(ref) !== seen.get(ref))
        return { ref, status: "stale", reason: "[remote rejected] (incorrect old value provided)" };
      return locks.has(ref)
        ? { ref, status: "busy", reason: "[remote rejected] (failed to update ref)" }
        : report;
    };
    return {
      reports,
      land: () => {
        const landed = reports.map(landOne);
        const ends = atomic ? allOrNone(landed) : landed;
        for (const [position, update] of updates.entries()) {
          if (ends[position]?.status === "pushed") this.#apply(update);
        }
        return ends;
      },
    };
  }

  listRefs(
    prefixes: readonly string[],
    options: Options,
  ): Promise<Result<{ refs: Map<string, string>; format: ObjectFormat | null }, RemoteFailure>> {
    const failure = this.#reach(options, false);
    if (failure !== null) return Promise.resolve(fail(failure));
    const refs = [...this.#remote.refs].filter(([name]) =>
      prefixes.some((prefix) => name.startsWith(prefix)),
    );
    return Promise.resolve(ok({ refs: new Map(refs), format: this.#remote.format }));
  }

  listsCheaply(): Promise<boolean> {
    return Promise.resolve(this.#listsCheaply);
  }

  clearStaleLock(ref: string, nowWallMs: number): string | null {
    const lockedWallMs = this.#remote.locks.get(ref);
    if (lockedWallMs === undefined || nowWallMs - lockedWallMs <= 60_000) return null;
    this.#remote.locks.delete(ref);
    return `removed "${ref}.lock", left by a push that was killed`;
  }

  #reach(options: Options, needsFormat = true): RemoteFailure | null {
    const { troubles, format } = this.#remote;
    this.#remote.calls += 1;
    if (options.signal.aborted) return { kind: "timeout", detail: "Stopped before git had ended" };
    const failure = troubles.outage ?? troubles.nextFailures.shift() ?? null;
    if (failure !== null || !needsFormat || format === this.#store.format) return failure;
    return { kind: "format-mismatch", detail: `fatal: mismatched algorithms: remote is ${format}` };
  }

  #judge(update: RefUpdate, isBusy: boolean): RefReport {
    const { ref, id, expected } = update;
    const current = this.#remote.refs.get(ref) ?? null;
    const report = (status: RefReport["status"], reason: string): RefReport => ({ ref, status, reason });
    if (current === id) return report("up-to-date", "");
    const isReplacement = current !== null && !(id !== null && this.#isAncestor(current, id));
    if (expected === undefined ? isReplacement : expected !== current) {
      return report(
        "stale",
        expected === undefined ? "[rejected] (non-fast-forward)" : "[rejected] (stale info)",
      );
    }
    const added = this.#addedBy(update);
    const refusal = this.#remote.troubles.refuse(ref, { isReplacement, added });
    if (refusal !== null) return report("refused", `[remote rejected] (${refusal})`);
    const isLocked = isBusy || this.#remote.locks.has(ref);
    return isLocked ? report("busy", "[remote rejected] (failed to update ref)") : report("pushed", "");
  }

  /** A hook that judges the push as a whole sees what would move, and all of that is refused together. */
  #judgePush(updates: readonly RefUpdate[], reports: RefReport[]): RefReport[] {
    const moving = updates.filter((_, position) => reports[position]?.status === "pushed");
    const added = moving.map((update) => this.#addedBy(update)).join("");
    const refusal =
      moving.length === 0
        ? null
        : this.#remote.troubles.refusePush(
            moving.map(({ ref }) => ref),
            added,
          );
    if (refusal === null) return reports;
    const reason = `[remote rejected] (${refusal})`;
    return reports.map((report) =>
      report.status === "pushed" ? { ref: report.ref, status: "refused", reason } : report,
    );
  }

  /** The contents of all files in commits that the remote does not have. */
  #addedBy({ id }: RefUpdate): string {
    const texts: string[] = [];
    const { objects, format } = this.#store;
    for (let next = id ?? undefined; next !== undefined && !this.#remote.objects.has(next); ) {
      const commit = objects.get(next);
      if (commit === undefined) break;
      const tree = objects.get(treeOf(commit));
      const blobs = tree === undefined ? [] : [...entriesOf(tree, format).values()];
      texts.unshift(...blobs.map((blob) => new TextDecoder().decode(objects.get(blob)?.content)));
      next = parentsOf(commit)[0];
    }
    return texts.join("");
  }

  /** As git asks it: from what the pusher has, so a tip that he never fetched is no ancestor. */
  #isAncestor(ancestor: string, id: string): boolean {
    const waiting = [id];
    const seen = new Set(waiting);
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next === ancestor) return true;
      const object = this.#store.objects.get(next);
      const parents = object === undefined ? [] : parentsOf(object);
      for (const parent of parents.filter((one) => !seen.has(one))) {
        seen.add(parent);
        waiting.push(parent);
      }
    }
    return false;
  }

  #apply({ ref, id }: RefUpdate): void {
    if (id === null) {
      this.#remote.refs.delete(ref);
      return;
    }
    copyObjects(id, { from: this.#store.objects, to: this.#remote.objects, format: this.#store.format });
    this.#remote.refs.set(ref, id);
  }
}

function allOrNone(reports: readonly RefReport[]): RefReport[] {
  const isGood = reports.every(({ status }) => status === "pushed" || status === "up-to-date");
  return reports.map((report) =>
    isGood || report.status !== "pushed"
      ? report
      : { ref: report.ref, status: "busy", reason: "[rejected] (atomic push failed)" },
  );
}

function parseRefspec(refspec: string): { source: string; target: string } {
  const [source = "", target = ""] = refspec.replace(/^\+/, "").split(":");
  return { source, target };
}

/** Refs of the remote that a refspec takes, by their local name. */
function match(refs: ReadonlyMap<string, string>, source: string, target: string): Map<string, string> {
  if (!source.endsWith("*")) {
    const id = refs.get(source);
    return new Map(id === undefined ? [] : [[target, id]]);
  }
  const [from, to] = [source.slice(0, -1), target.slice(0, -1)];
  const taken = [...refs].filter(([name]) => name.startsWith(from));
  return new Map(taken.map(([name, id]) => [to + name.slice(from.length), id]));
}

/** Copies what hangs on `id`, stopping at what is there already. Throws when something is missing, as git does. */
function copyObjects(
  id: string,
  way: { from: Objects; to: Objects; format: ObjectFormat; onCopy?: (id: string) => void },
): void {
  const waiting = [id];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (way.to.has(next)) continue;
    const object = way.from.get(next);
    if (object === undefined) throw new Error(`fatal: bad object ${next}`);
    way.to.set(next, object);
    way.onCopy?.(next);
    if (object.kind === "commit") waiting.push(treeOf(object), ...parentsOf(object));
    if (object.kind === "tree") waiting.push(...entriesOf(object, way.format).values());
  }
}

interface Header {
  readonly tree: string;
  readonly parents: readonly string[];
}

/** Objects never change, and the same ones are looked at again and again. */
const headers = new WeakMap<GitObject, Header>();
const trees = new WeakMap<GitObject, Map<string, string>>();

function headerOf(commit: GitObject): Header {
  const known = headers.get(commit);
  if (known !== undefined) return known;
  const text = new TextDecoder().decode(commit.content);
  const lines = text.slice(0, text.indexOf("\n\n") + 1);
  const header = {
    tree: /^tree ([0-9a-f]+)$/m.exec(lines)?.[1] ?? "",
    parents: [...lines.matchAll(/^parent ([0-9a-f]+)$/gm)].map((found) => found[1] ?? ""),
  };
  headers.set(commit, header);
  return header;
}

/** The parents of a commit. */
export const parentsOf = (commit: GitObject): readonly string[] => headerOf(commit).parents;

/** The files of a commit by name, and the objects that they are. */
export function filesOf(commit: GitObject, objects: ReadonlyMap<string, GitObject>): Map<string, string> {
  const tree = objects.get(treeOf(commit));
  return tree === undefined ? new Map() : entriesOf(tree, commit.id.length === 40 ? "sha1" : "sha256");
}

const treeOf = (commit: GitObject): string => headerOf(commit).tree;

function entriesOf(tree: GitObject, format: ObjectFormat): Map<string, string> {
  const known = trees.get(tree);
  if (known !== undefined) return known;
  const entries = new Map<string, string>();
  trees.set(tree, entries);
  const idBytes = ID_LENGTH[format] / 2;
  for (let start = 0; start < tree.content.length; ) {
    const end = tree.content.indexOf(0, start);
    const name = new TextDecoder().decode(tree.content.subarray(start, end)).replace(/^\d+ /, "");
    entries.set(name, tree.content.subarray(end + 1, end + 1 + idBytes).toHex());
    start = end + 1 + idBytes;
  }
  return entries;
}
