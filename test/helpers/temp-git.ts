import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { GitObject, ObjectFormat, ObjectKind } from "../../src/base/ports/git-store.ts";
import { gitEnvironment } from "../../src/platform/git/git-environment.ts";
import { objectIdOf } from "../../src/platform/git/loose-objects.ts";

/** A folder for one test file, with a home of its own, so that nobody's git configuration takes part. */
export class TempGit {
  readonly folder = mkdtempSync(`${tmpdir()}/fleetd-git-`);
  readonly home = `${this.folder}/home`;
  readonly environment: Record<string, string>;
  #count = 0;

  constructor() {
    mkdirSync(this.home);
    writeFileSync(`${this.home}/.gitconfig`, "[user]\n\tname = t\n\temail = t@example.invalid\n");
    this.environment = gitEnvironment({ HOME: this.home, PATH: process.env["PATH"] });
  }

  /** A path that is not there yet. */
  path(name: string): string {
    this.#count += 1;
    return `${this.folder}/${name}-${this.#count}`;
  }

  /** Runs plain git, without any of fleetd's settings, and returns its output; throws when it fails. */
  git(folder: string, ...args: readonly string[]): string {
    const result = Bun.spawnSync(["git", "-C", folder, ...args], { env: this.environment });
    if (result.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${result.stderr.toString()}`);
    return result.stdout.toString().trim();
  }

  /** A bare repository made by git itself. */
  bare(format: ObjectFormat = "sha1"): string {
    const folder = this.path("remote.git");
    mkdirSync(folder);
    this.git(folder, "init", "-q", "--bare", `--object-format=${format}`);
    return folder;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** An object with the id that git would give it. */
export function gitObject(format: ObjectFormat, kind: ObjectKind, content: string | Uint8Array): GitObject {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const header = new TextEncoder().encode(`${kind} ${bytes.length}\0`);
  return { kind, content: bytes, id: objectIdOf(format, Buffer.concat([header, bytes])) };
}

/** Blob, tree and commit of one batch: `entries.jsonl` with `text`. The commit comes last. */
export function commitObjects(
  format: ObjectFormat,
  text: string,
  parent: string | null,
): [GitObject, GitObject, GitObject] {
  const blob = gitObject(format, "blob", text);
  const entry = Buffer.concat([Buffer.from("100644 entries.jsonl\0"), Buffer.from(blob.id, "hex")]);
  const tree = gitObject(format, "tree", entry);
  const who = "fleetd <fleetd@example.invalid> 1700000000 +0000";
  const parents = parent === null ? "" : `parent ${parent}\n`;
  const commit = gitObject(
    format,
    "commit",
    `tree ${tree.id}\n${parents}author ${who}\ncommitter ${who}\n\n${text}\n`,
  );
  return [blob, tree, commit];
}

/** Processes whose process group is `group`, as pid and state ("Z" for a zombie); null where /proc is missing. */
export function processesOfGroup(group: number): { pid: number; state: string }[] {
  return allProcesses().filter((process) => process.group === group);
}

/** Dead children of this process, of the program git, that nobody waited for. */
export function zombieChildren(): number[] {
  return allProcesses().flatMap(({ pid, parent, state }) =>
    parent === process.pid && state === "Z" && nameOf(pid) === "git" ? [pid] : [],
  );
}

const nameOf = (pid: number): string => /^\d+ \((.*)\)/.exec(readOrEmpty(`/proc/${pid}/stat`))?.[1] ?? "git";

/** Processes that have `text` among their words, for instance the port of a server. */
export function processesWith(text: string): number[] {
  if (!existsSync("/proc/self/stat")) {
    return processesOfPs().flatMap(({ pid, words }) => (words.includes(text) ? [pid] : []));
  }
  return allProcesses().flatMap(({ pid }) =>
    readOrEmpty(`/proc/${pid}/cmdline`).includes(text) ? [pid] : [],
  );
}

/** Living processes that were started with the environment variable `name` set to `value`. */
export function processesWithVariable(name: string, value: string): number[] {
  return allProcesses().flatMap(({ pid, state }) =>
    state !== "Z" && readOrEmpty(`/proc/${pid}/environ`).split("\0").includes(`${name}=${value}`)
      ? [pid]
      : [],
  );
}

/** Whether the process catches the signal of that number: Linux says so in /proc. */
export function catchesSignal(pid: number, signal: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** The processes that `pid` started and those that they started, as far as they still have their parents. */
export function descendantsOf(pid: number): number[] {
  const processes = allProcesses();
  const found = [pid];
  // The list grows while it is walked.
  for (const parent of found) {
    for (const one of processes) if (one.parent === parent && one.state !== "Z") found.push(one.pid);
  }
  return found.slice(1);
}

/** One process of this system; `state` "Z" for a zombie. */
export interface SystemProcess {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
}

/** Every process of the system, from /proc, or from `ps` where there is none. */
export function allProcesses(): SystemProcess[] {
  if (!existsSync("/proc/self/stat")) return processesOfPs().map(({ words: _, ...rest }) => rest);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const fields = /\) (\S) (\d+) (\d+)/.exec(readOrEmpty(`/proc/${name}/stat`));
      if (fields?.[1] === undefined) return [];
      return [{ pid: Number(name), state: fields[1], parent: Number(fields[2]), group: Number(fields[3]) }];
    });
}

function processesOfPs(): (SystemProcess & { readonly words: string })[] {
  const { stdout } = Bun.spawnSync(["ps", "-axo", "pid=,stat=,ppid=,pgid=,command="]);
  return stdout
    .toString()
    .split("\n")
    .flatMap((line) => {
      const [, pid, state = "", parent, group, words = ""] =
        /^\s*(\d+)\s+(\S)\S*\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      const found = { pid: Number(pid), state, parent: Number(parent), group: Number(group), words };
      return pid === undefined ? [] : [found];
    });
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // The process has ended meanwhile.
    return "";
  }
}

/** What did not come by then does not come, on however slow a machine; chosen, not measured. */
const WITHIN_MS = 60_000;

/** Waits until `condition` holds, at most `withinMs`; false when it never did. */
export async function eventually(condition: () => boolean, withinMs = WITHIN_MS): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const askedMs = performance.now();
    if (condition()) return true;
    if (performance.now() > deadlineMs) return false;
    await pauseAfter(askedMs, 5);
  }
}

/** As `eventually`, for what has to be asked for; throws when it never held. */
export async function untilHolds(condition: () => Promise<boolean>, withinMs = WITHIN_MS): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const askedMs = performance.now();
    if (await condition()) return;
    if (performance.now() > deadlineMs) throw new Error("What was waited for did not come");
    await pauseAfter(askedMs, 20);
  }
}

/** A condition that is dear to ask, since it starts git or fleetd, is asked for a quarter of the time at most. */
export const pauseAfter = (askedMs: number, leastMs: number): Promise<void> =>
  Bun.sleep(Math.max(leastMs, 3 * (performance.now() - askedMs)));
