/**
 * Open files that go over to the program that takes the place of this one in the same process (`execute`). A variable
 * of its environment says which descriptor is which; it is taken away before anything is started.
 */
import { closeSync } from "node:fs";
import type { Keepable } from "../base/ports/lock.ts";
import { toText } from "./execute.ts";

const VARIABLE = "FLEETD_KEPT";

/** What the program before this one in the same process left. */
export interface Inherited {
  /** Its version. */
  readonly from: string;
  /** The server that it was: which one is meant may be open by now, when more were made. Null: it did not say. */
  readonly server: string | null;
  /** Why it could not become another one, and this is still the same; null when it could. */
  readonly failed: string | null;
  /** Takes a kept file over; `open` answers null when it is another one than it should be. */
  take<File>(name: string, open: (descriptor: number) => File | null): File | null;
  /** Closes what nobody took. */
  closeRest(): void;
}

/** Files by their names, the version of this program, and the server that it is. */
export interface Legacy {
  readonly from: string;
  readonly server: string | null;
  readonly files: ReadonlyMap<string, number>;
}

/**
 * Lets files outlive `execute`. Null, and nothing is kept, where one of them cannot be. To be called right before.
 */
export function keepFiles(
  files: ReadonlyMap<string, Keepable>,
): { readonly files: ReadonlyMap<string, number>; readonly keepNoLonger: () => void } | null {
  const kept = new Map<string, number>();
  const keepNoLonger = (): void => {
    for (const file of files.values()) file.keepNoLonger();
  };
  for (const [name, file] of files) {
    const descriptor = file.keepOverExec();
    if (descriptor === null) {
      keepNoLonger();
      return null;
    }
    kept.set(name, descriptor);
  }
  return { files: kept, keepNoLonger };
}

/** An environment that tells the next program what it inherits, instead of what this one did. */
export function withLegacy(environment: readonly Uint8Array[], { files, ...rest }: Legacy): Uint8Array[] {
  const prefix = new TextEncoder().encode(`${VARIABLE}=`);
  const others = environment.filter((text) => !prefix.every((byte, index) => text[index] === byte));
  const told = JSON.stringify({ pid: process.pid, ...rest, files: Object.fromEntries(files) });
  return [...others, toText(`${VARIABLE}=${told}`)];
}

/** What this process inherits from the program before; null when it began with this one. To be called first of all. */
export function takeInherited(): Inherited | null {
  const text = process.env[VARIABLE];
  delete process.env[VARIABLE];
  const legacy = text === undefined ? null : parseLegacy(text);
  return legacy === null ? null : inheritedOf(legacy, null);
}

/** The same in the same program, where it could not become another one because of `failed`. */
export function inheritedOf({ from, server, files }: Legacy, failed: string | null): Inherited {
  const left = new Map(files);
  return {
    from,
    server,
    failed,
    take(name, open) {
      const descriptor = left.get(name);
      const file = descriptor === undefined ? null : open(descriptor);
      if (file !== null) left.delete(name);
      return file;
    },
    closeRest() {
      for (const descriptor of left.values()) closeSync(descriptor);
      left.clear();
    },
  };
}

/** Null for what was meant for another process, or was written by somebody else. */
function parseLegacy(text: string): Legacy | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    if (!("pid" in value && "from" in value && "files" in value) || value.pid !== process.pid) return null;
    const { from, files } = value;
    if (typeof from !== "string" || typeof files !== "object" || files === null) return null;
    const numbers = Object.entries(files as Record<string, unknown>).filter(isKept);
    const server = "server" in value && typeof value.server === "string" ? value.server : null;
    return { from, server, files: new Map(numbers) };
  } catch {
    // Not JSON: not ours.
    return null;
  }
}

/** Below are stdin, stdout and stderr. */
const FIRST_DESCRIPTOR = 3;

const isKept = (entry: [string, unknown]): entry is [string, number] =>
  Number.isSafeInteger(entry[1]) && Number(entry[1]) >= FIRST_DESCRIPTOR;
