import { FleetError } from "../../base/errors.ts";
import type { CommitStep, ReadObject } from "../../base/ports/git-store.ts";
import { ByteReader } from "../byte-reader.ts";
import { endGroup, HAS_PROCESS_GROUPS } from "../process-group.ts";
import { gitCommand, spawnError } from "./git-process.ts";

/** How large a commit a walk reads: far more than any that fleetd makes, chosen. */
export const COMMIT_BYTES_MAX = 1024 * 1024;
const LINE_BYTES_MAX = 64 * 1024;
const PARENT = "parent ";

/** Reading a commit takes 0.03–0.1 ms, starting `git rev-list` 3: where the second becomes cheaper. */
const STEPS_READ_MAX = 128;

/** How many commits one question to git asks for: few at first, since most walks are short, then eight times more. */
const WINDOW_FACTOR = 8;
const WINDOW_MAX = 64;

/** What a walk needs from its store. */
export interface WalkSource {
  readonly folder: string;
  readonly environment: Record<string, string>;
  /** The commit `id` and, where one question brings them along, up to `count` - 1 of its first-parent ancestors. */
  readonly readChain: (id: string, count: number) => Promise<readonly ReadObject[]>;
}

/** From where to where, as in `GitStore.listCommits`. */
export interface WalkRange {
  readonly tip: string;
  readonly known: string | null;
  readonly commitsMax: number;
}

/**
 * The first-parent chain from `tip` to before `known`, oldest first; of a longer chain the `commitsMax` oldest, so
 * that the caller goes on from the last of them. No date takes part: `rev-list tip ^known` trusts commit dates, and
 * one commit dated in the past makes it walk everything.
 * @throws FleetError IO when a commit of the chain is missing or is none
 */
export async function walkCommits(source: WalkSource, range: WalkRange): Promise<CommitStep[]> {
  const steps: CommitStep[] = [];
  const read = createReadAhead(source);
  let next: string | undefined = range.tip;
  while (next !== undefined && next !== range.known) {
    if (steps.length === STEPS_READ_MAX) return walkWithGit(source, range);
    const answer = await read(next);
    // Anybody may have put it there; git walks over it without giving us its text.
    if (answer.status === "too-large") return walkWithGit(source, range);
    const parents = parentsOf(next, answer);
    steps.push({ id: next, parents });
    next = parents[0];
  }
  return steps.slice(Math.max(0, steps.length - range.commitsMax)).reverse();
}

/** Reads one commit after the other, asking for more of them at once the further the walk goes. */
function createReadAhead({ readChain }: WalkSource): (id: string) => Promise<ReadObject> {
  const ahead = new Map<string, ReadObject>();
  let window = 1;
  return async (id) => {
    const known = ahead.get(id);
    if (known !== undefined) return known;
    const [first, ...others] = await readChain(id, window);
    for (const other of others) if (other.status === "found") ahead.set(other.id, other);
    window = Math.min(WINDOW_MAX, window * WINDOW_FACTOR);
    return first ?? { status: "missing" };
  };
}

function parentsOf(id: string, answer: ReadObject): string[] {
  if (answer.status !== "found" || answer.kind !== "commit") {
    const state = answer.status === "found" ? `it is a ${answer.kind}` : `it is ${answer.status}`;
    throw new FleetError("IO", `Cannot read the commit ${id}: ${state}`);
  }
  const { buffer, byteOffset, byteLength } = answer.content;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
  const parents: string[] = [];
  // Parents stand directly behind the tree, as git reads them.
  for (let at = text.indexOf("\n") + 1; text.startsWith(PARENT, at); at = text.indexOf("\n", at) + 1) {
    parents.push(text.slice(at + PARENT.length, text.indexOf("\n", at)));
  }
  return parents;
}

async function walkWithGit(source: WalkSource, range: WalkRange): Promise<CommitStep[]> {
  const child = spawnWalk(source, range.tip);
  const output = new ByteReader(child.stdout);
  const complaint = new ByteReader(child.stderr).rest(LINE_BYTES_MAX, () => undefined);
  let kept: CommitStep[] = [];
  let reachedKnown = false;
  for (
    let line = await output.line(LINE_BYTES_MAX);
    line !== null;
    line = await output.line(LINE_BYTES_MAX)
  ) {
    const [id = "", ...parents] = line.split(" ");
    reachedKnown = id === range.known;
    if (reachedKnown) break;
    kept.push({ id, parents });
    // Newest first: what was seen before the last `commitsMax` is not wanted.
    if (kept.length >= 2 * range.commitsMax) kept = kept.slice(-range.commitsMax);
  }
  if (reachedKnown) await endGroup(child.pid);
  const exitCode = await child.exited;
  await output.cancel();
  if (!reachedKnown && exitCode !== 0) {
    const reason = new TextDecoder().decode(await complaint).trim();
    throw new FleetError("IO", `Cannot walk the commits of "${source.folder}": ${reason}`);
  }
  return kept.slice(Math.max(0, kept.length - range.commitsMax)).reverse();
}

function spawnWalk(source: WalkSource, tip: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  try {
    return Bun.spawn(gitCommand(source.folder, ["rev-list", "--first-parent", "--parents", tip, "--"]), {
      cwd: source.folder,
      env: source.environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: HAS_PROCESS_GROUPS,
      windowsHide: true,
    });
  } catch (thrown) {
    throw spawnError(source.folder, thrown);
  }
}
