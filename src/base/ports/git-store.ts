/** SHA-1 or SHA-256: a store takes the object format of its remote. */
export type ObjectFormat = "sha1" | "sha256";
export type ObjectKind = "blob" | "tree" | "commit";

/** One git object as it is hashed: `content` without the `<kind> <size>\0` header. `id` is lowercase hex. */
export interface GitObject {
  readonly kind: ObjectKind;
  readonly id: string;
  readonly content: Uint8Array;
}

/** The answer to reading one name. `too-large` is decided from the size alone, before any content is read. */
export type ReadObject =
  | { readonly status: "found"; readonly id: string; readonly kind: string; readonly content: Uint8Array }
  | { readonly status: "missing" }
  | { readonly status: "too-large"; readonly sizeBytes: number };

/** A commit of a first-parent walk. */
export interface CommitStep {
  readonly id: string;
  readonly parents: readonly string[];
}

/** The private bare repository of one server: objects and refs on this machine, never the network. */
export interface GitStore {
  readonly format: ObjectFormat;
  /** Writes loose objects that are not there yet, or damaged (temporary file, rename). With `durable`, files and directories are fsynced, also of objects that were there. */
  writeObjects(objects: readonly GitObject[], durable: boolean): void;
  /** Whether the loose object file or a packed object with this id exists and inflates to its id. */
  verifyObject(id: string): Promise<boolean>;
  /** Reads objects by id or as `<commit>:<path>`, in order, pipelined; names are validated hex ids plus a constant path. What the tree of a commit names and is damaged or lost is no "missing": it rejects with FleetError IO. */
  readObjects(names: readonly string[], sizeBytesMax: number): Promise<ReadObject[]>;
  /** The first-parent chain from `tip` down to but without `known` (all of it when `known` is null or no ancestor), oldest first. Of a longer chain the `commitsMax` oldest, so the next call goes on from the last of them. */
  listCommits(tip: string, known: string | null, commitsMax: number): Promise<CommitStep[]>;
  /** Refs below `prefix` (ends in "/"), name to id; loose files win over packed ones. */
  readRefs(prefix: string): Map<string, string>;
  /** Sets (or with null deletes) one ref, written as git writes it: lock file, rename. */
  writeRef(name: string, id: string | null): void;
  close(): Promise<void>;
}
