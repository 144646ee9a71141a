/**
 * Damages one file of a server in a way that `createRandom` can play again. The file's bytes alone are touched; its name,
 * mode and owner stay as they were.
 */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** What may happen to a file. `flip-*`: one bit somewhere in it. */
export const KINDS = ["empty", "half", "zeroed", "flip-1", "flip-2", "flip-3", "folder"] as const;
export type DamageKind = (typeof KINDS)[number];

/** What a file below a server's folder is. */
export type FileClass =
  | "state.db"
  | "index.db"
  | "key"
  | "key.pub"
  | "lock"
  | "socket"
  | "log"
  | "identity"
  | "store: HEAD"
  | "store: config"
  | "store: ref"
  | "store: packed-refs"
  | "store: object"
  | "store: pack"
  | "store: other";

/** The class of a file, by its path below the server's folder. */
export function classOf(path: string): FileClass {
  if (path.startsWith("state.db")) return "state.db";
  if (path.startsWith("index.db")) return "index.db";
  if (path === "key" || path === "key.pub") return path;
  if (path.includes(".lock")) return "lock";
  if (path === "control.sock") return "socket";
  if (path === "identity.json") return "identity";
  if (path.startsWith("logs/")) return "log";
  if (path === "fleet.git/HEAD") return "store: HEAD";
  if (path === "fleet.git/config") return "store: config";
  if (path === "fleet.git/packed-refs") return "store: packed-refs";
  if (path.startsWith("fleet.git/refs/")) return "store: ref";
  if (path.startsWith("fleet.git/objects/pack/")) return "store: pack";
  return path.startsWith("fleet.git/objects/") ? "store: object" : "store: other";
}

/** Every file below `folder`, relative to it, in a stable order. */
export function filesBelow(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(folder, path) : [path];
    })
    .sort();
}

/** Whether a file can be damaged in this way: an empty one has no bits, a socket has no bytes. */
export function isPossible(path: string, kind: DamageKind): boolean {
  const found = statSync(path);
  if (!found.isFile()) return kind === "folder";
  return found.size > 0 || kind === "folder";
}

/** Damages the file at `path`. */
export function damage(path: string, kind: DamageKind, random: () => number): void {
  const { mode, size } = statSync(path);
  if (kind === "folder") {
    rmSync(path);
    mkdirSync(path);
    return;
  }
  chmodSync(path, mode | 0o200);
  if (kind === "empty") truncateSync(path, 0);
  else if (kind === "half") truncateSync(path, Math.floor(size / 2));
  else if (kind === "zeroed") writeFileSync(path, new Uint8Array(size));
  else {
    const bytes = readFileSync(path);
    const bit = Math.floor(random() * size * 8);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, bytes);
  }
  chmodSync(path, mode);
}
