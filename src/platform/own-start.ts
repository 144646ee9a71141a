import { CString, type Pointer } from "bun:ffi";
import { readFileSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";
import { openLibc } from "./libc.ts";

/** How this process was started, byte for byte: texts end with 0, as C has them. */
export interface OwnStart {
  /** The absolute path of the program, links not followed: what stands there now may be another file. */
  readonly path: string;
  readonly words: readonly Uint8Array[];
  readonly environment: readonly Uint8Array[];
}

/** `getauxval` of this: the name that `execve` was given. */
const AT_EXECFN = 31;
/** What the kernel says of a file that was replaced or removed. */
const DELETED = / \(deleted\)$/;

/** Reads how this process was started; Linux only. @throws where there is no /proc, or calls are not possible */
export function readOwnStart(): OwnStart {
  return {
    path: ownPath(),
    words: textsIn("/proc/self/cmdline"),
    environment: textsIn("/proc/self/environ"),
  };
}

function ownPath(): string {
  const { getauxval } = openLibc({ getauxval: { args: ["u64"], returns: "u64" } });
  const name = new CString(Number(getauxval(AT_EXECFN)) as Pointer).toString();
  // Started by a descriptor (fexecve): then only the kernel knows a name.
  const isName = name !== "" && !/^\/(?:dev|proc\/[^/]+)\/fd\//.test(name);
  return isName ? resolve(name) : readlinkSync("/proc/self/exe").replace(DELETED, "");
}

function textsIn(path: string): Uint8Array[] {
  const bytes = readFileSync(path);
  const texts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from);
    const next = end === -1 ? bytes.length : end + 1;
    texts.push(new Uint8Array(bytes.subarray(from, next)));
    from = next;
  }
  return texts;
}
