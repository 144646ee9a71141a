/** Who has a socket open: the links of the open files of every process name sockets by their inode. */
import { readdirSync } from "node:fs";
import { hasCode, isDenied } from "../io-error.ts";
import { openFileLink } from "../open-file-link.ts";
import { listPids } from "./linux-table.ts";
import { openSocketCalls, type SocketCalls } from "./socket-calls.ts";

/**
 * The processes that have one of the sockets open, by inode. All of them are looked at, also after each socket was found
 * once: a socket that was inherited, or handed over, has several.
 */
export async function findHolders(
  inodes: ReadonlySet<string>,
  openCalls: () => Promise<SocketCalls | null> = openSocketCalls,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const calls = await openCalls();
  const numbers = NUMBERS[process.arch];
  const inodesOf =
    calls === null || numbers === undefined ? readInodes : new LinkReader(calls, numbers).inodesOf;
  const holders = new Map<string, number[]>();
  for (const pid of listPids()) {
    for (const inode of new Set(inodesOf(`/proc/${pid}/fd`))) {
      if (!inodes.has(inode)) continue;
      const pids = holders.get(inode);
      if (pids === undefined) holders.set(inode, [Number(pid)]);
      else pids.push(Number(pid));
    }
  }
  return holders;
}

/** The call `getdents64`, which older C libraries have no name for, and O_DIRECTORY with O_CLOEXEC. */
interface Numbers {
  readonly list: number;
  readonly folder: number;
}

const NUMBERS: Partial<Record<NodeJS.Architecture, Numbers>> = {
  x64: { list: 217, folder: 0o2200000 },
  arm64: { list: 61, folder: 0o2040000 },
};

const LIST_BYTES = 32 * 1024;
/** No entry of such a folder is longer than this: less room left, and there may be more. */
const ENTRY_BYTES_MAX = 64;
/** Places in an entry, `struct linux_dirent64`. */
const ENTRY_LENGTH = 16;
const ENTRY_NAME = 19;
const LINK_BYTES = 64;
const DOT = 46;
/** `socket:[12345]`. */
const SOCKET = "socket:[";
const [FIRST, LAST] = [SOCKET.charCodeAt(0), SOCKET.charCodeAt(SOCKET.length - 1)];

/**
 * Reads them by calls of its own: two thirds of the processor time of the usual way in a program that has just begun
 * (measured: 19 ms against 29 for 3,000 links), since the kernel does not walk from the root to each link, and what is no
 * socket never becomes a text.
 */
class LinkReader {
  readonly #calls: SocketCalls;
  readonly #numbers: Numbers;
  readonly #list = Buffer.alloc(LIST_BYTES);
  readonly #listAt: number;
  readonly #link = Buffer.alloc(LINK_BYTES);
  readonly #path = Buffer.alloc(LINK_BYTES);

  constructor(calls: SocketCalls, numbers: Numbers) {
    this.#calls = calls;
    this.#numbers = numbers;
    this.#listAt = calls.addressOf(this.#list);
  }

  /** Nothing for a process that is gone meanwhile, or whose open files are not for this user to see. */
  readonly inodesOf = (folder: string): readonly string[] => {
    const { c } = this.#calls;
    this.#path.write(`${folder}\0`, "latin1");
    const descriptor = c.open(this.#path, this.#numbers.folder);
    if (descriptor < 0) return NOTHING;
    const found: string[] = [];
    for (let isMore = true; isMore; ) {
      const length = Number(c.syscall(this.#numbers.list, descriptor, this.#list, LIST_BYTES));
      this.#addSockets(descriptor, length, found);
      isMore = length > LIST_BYTES - ENTRY_BYTES_MAX;
    }
    c.close(descriptor);
    return found;
  };

  #addSockets(descriptor: number, length: number, found: string[]): void {
    const { c } = this.#calls;
    const link = this.#link;
    for (let at = 0; at < length; at += this.#list.readUInt16LE(at + ENTRY_LENGTH)) {
      if (this.#list[at + ENTRY_NAME] === DOT) continue;
      const size = Number(c.readlinkat(descriptor, this.#listAt + at + ENTRY_NAME, link, LINK_BYTES));
      if (size > SOCKET.length && link[0] === FIRST && link[SOCKET.length - 1] === LAST) {
        found.push(link.toString("latin1", SOCKET.length, size - 1));
      }
    }
  }
}

const NOTHING: readonly string[] = [];

/** The same where there are no such calls. */
function readInodes(folder: string): readonly string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const link = openFileLink(`${folder}/${name}`);
      return link?.startsWith(SOCKET) === true ? [link.slice(SOCKET.length, -1)] : NOTHING;
    });
  } catch (thrown) {
    // Gone meanwhile, or its open files are not for this user to see: then neither are the others of that process.
    if (hasCode(thrown, "ENOENT", "ESRCH") || isDenied(thrown)) return NOTHING;
    throw thrown;
  }
}
