import { describe, expect, test } from "bun:test";
import type { GitRemote, RefReport, RefUpdate } from "../../../src/base/ports/git-remote.ts";
import type { GitStore } from "../../../src/base/ports/git-store.ts";
import { commitObjects } from "../../helpers/temp-git.ts";

/** One remote and two stores that know it. */
export interface RemoteUnderTest {
  readonly mine: { readonly store: GitStore; readonly remote: GitRemote };
  readonly other: { readonly store: GitStore; readonly remote: GitRemote };
  /** From now on no branch may be replaced. */
  readonly refuseReplacing: () => void;
  /** From now on the remote is not to be reached. */
  readonly disconnect: () => void;
  /** Leaves the lock of a killed push on `ref`, made at `wallMs`. */
  readonly leaveLock: (ref: string, wallMs: number) => void;
}

const LOG = "refs/fleet/log/a";
const STATE = "refs/fleet/state/a";
const options = (): { timeoutMs: number; signal: AbortSignal } => ({
  timeoutMs: 60_000,
  signal: new AbortController().signal,
});

/** Commits 1 ← 2, and 3 that has nothing to do with them, in `store`. */
function writeCommits(store: GitStore, word = ""): { one: string; two: string; three: string } {
  const one = commitObjects("sha1", `one${word}`, null);
  const two = commitObjects("sha1", `two${word}`, one[2].id);
  const three = commitObjects("sha1", `three${word}`, null);
  store.writeObjects([...one, ...two, ...three], false);
  return { one: one[2].id, two: two[2].id, three: three[2].id };
}

async function push(remote: GitRemote, updates: RefUpdate[], atomic = false): Promise<RefReport["status"][]> {
  const result = await remote.push(updates, { ...options(), atomic });
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.detail}`);
  expect(result.value.map((report) => report.ref)).toEqual(updates.map((update) => update.ref));
  return result.value.map((report) => report.status);
}

async function refsOf(remote: GitRemote): Promise<[string, string][]> {
  const listed = await remote.listRefs(["refs/"], options());
  if (!listed.ok) throw new Error(listed.error.detail);
  return [...listed.value.refs].sort();
}

/** What everybody may expect of a `GitRemote`: rules of pushing. */
export function pushContract(name: string, make: () => RemoteUnderTest): void {
  describe(`GitRemote.push(): ${name}`, () => {
    test("creates, fast-forwards, and reports what is there as up-to-date", async () => {
      const { mine } = make();
      const { one, two } = writeCommits(mine.store);
      expect(await push(mine.remote, [{ ref: LOG, id: one }])).toEqual(["pushed"]);
      expect(await push(mine.remote, [{ ref: LOG, id: two }])).toEqual(["pushed"]);
      expect(await push(mine.remote, [{ ref: LOG, id: two }])).toEqual(["up-to-date"]);
      expect(await push(mine.remote, [{ ref: LOG, id: two, expected: one }])).toEqual(["up-to-date"]);
      expect(await refsOf(mine.remote)).toEqual([[LOG, two]]);
      expect(await push(mine.remote, [])).toEqual([]);
    });

    test("never moves a ref that is no fast-forward", async () => {
      const { mine, other } = make();
      const { one, two, three } = writeCommits(mine.store);
      await push(mine.remote, [{ ref: LOG, id: two }]);
      expect(await push(mine.remote, [{ ref: LOG, id: one }])).toEqual(["stale"]);
      expect(await push(mine.remote, [{ ref: LOG, id: three }])).toEqual(["stale"]);
      const foreign = writeCommits(other.store, " of somebody else");
      expect(await push(other.remote, [{ ref: LOG, id: foreign.two }])).toEqual(["stale"]);
      expect(await refsOf(mine.remote)).toEqual([[LOG, two]]);
    });

    test("replaces and deletes only under a lease that matches", async () => {
      const { mine } = make();
      const { one, two, three } = writeCommits(mine.store);
      await push(mine.remote, [{ ref: LOG, id: two }]);
      expect(await push(mine.remote, [{ ref: LOG, id: three, expected: one }])).toEqual(["stale"]);
      expect(await push(mine.remote, [{ ref: LOG, id: null, expected: one }])).toEqual(["stale"]);
      expect(await push(mine.remote, [{ ref: LOG, id: three, expected: two }])).toEqual(["pushed"]);
      expect(await push(mine.remote, [{ ref: LOG, id: null, expected: three }])).toEqual(["pushed"]);
      expect(await refsOf(mine.remote)).toEqual([]);
    });

    test("creates once with expected null: of two racers one wins", async () => {
      const { mine, other } = make();
      const [left, right] = [writeCommits(mine.store), writeCommits(other.store, " of somebody else")];
      const first = await push(mine.remote, [{ ref: LOG, id: left.one, expected: null }]);
      const second = await push(other.remote, [{ ref: LOG, id: right.one, expected: null }]);
      expect([...first, ...second]).toEqual(["pushed", "stale"]);
      expect(await refsOf(mine.remote)).toEqual([[LOG, left.one]]);
    });

    test("with atomic moves all refs or none, and blames the one that failed", async () => {
      const { mine } = make();
      const { one, two, three } = writeCommits(mine.store);
      const update = (expected: string | null): RefUpdate[] => [
        { ref: LOG, id: two },
        { ref: STATE, id: three, expected },
      ];
      await push(mine.remote, [
        { ref: LOG, id: one },
        { ref: STATE, id: one },
      ]);
      expect(await push(mine.remote, update(null), true)).toEqual(["busy", "stale"]);
      expect((await refsOf(mine.remote)).map(([, id]) => id)).toEqual([one, one]);
      expect(await push(mine.remote, update(one), true)).toEqual(["pushed", "pushed"]);
      expect((await refsOf(mine.remote)).map(([, id]) => id)).toEqual([two, three]);
    });

    test("reports refused where the remote forbids replacing branches, and still continues them", async () => {
      const { mine, refuseReplacing } = make();
      const { one, two, three } = writeCommits(mine.store);
      const [log, state] = ["refs/heads/fleet/log/a", "refs/heads/fleet/state/a"];
      await push(mine.remote, [
        { ref: log, id: one },
        { ref: state, id: one },
        { ref: STATE, id: one },
      ]);
      refuseReplacing();
      expect(await push(mine.remote, [{ ref: state, id: three, expected: one }])).toEqual(["refused"]);
      const both = [
        { ref: log, id: two },
        { ref: state, id: three, expected: one },
      ];
      expect(await push(mine.remote, both, true)).toEqual(["busy", "refused"]);
      expect(await push(mine.remote, [{ ref: log, id: two }])).toEqual(["pushed"]);
      expect(await push(mine.remote, [{ ref: STATE, id: three, expected: one }])).toEqual(["pushed"]);
    });

    test("reports busy under a lock; clearStaleLock() removes one of over a minute, not a young one", async () => {
      const { mine, leaveLock } = make();
      const { one } = writeCommits(mine.store);
      const nowWallMs = Date.now();
      leaveLock(LOG, nowWallMs - 30_000);
      expect(await push(mine.remote, [{ ref: LOG, id: one }])).toEqual(["busy"]);
      expect(mine.remote.clearStaleLock(LOG, nowWallMs)).toBeNull();
      expect(await push(mine.remote, [{ ref: LOG, id: one }])).toEqual(["busy"]);
      expect(mine.remote.clearStaleLock(LOG, nowWallMs + 31_000)).toContain(LOG);
      expect(mine.remote.clearStaleLock(LOG, nowWallMs + 31_000)).toBeNull();
      expect(await push(mine.remote, [{ ref: LOG, id: one }])).toEqual(["pushed"]);
    });
  });
}

/** What everybody may expect of a `GitRemote`: looking, fetching and failing. */
export function fetchContract(name: string, make: () => RemoteUnderTest): void {
  const fetch = async (remote: GitRemote, ...refspecs: string[]): Promise<boolean> => {
    const result = await remote.fetch(refspecs, options());
    if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.detail}`);
    return result.value.changed;
  };
  const ALL = "+refs/fleet/log/*:refs/fleet/log/*";

  describe(`GitRemote.fetch(): ${name}`, () => {
    test("brings refs and their objects, and says whether anything moved", async () => {
      const { mine, other } = make();
      const { one, two } = writeCommits(mine.store);
      await push(mine.remote, [{ ref: LOG, id: one }]);
      expect(await fetch(other.remote, ALL)).toBe(true);
      expect(await fetch(other.remote, ALL)).toBe(false);
      await push(mine.remote, [{ ref: LOG, id: two }]);
      expect(await fetch(other.remote, ALL)).toBe(true);
      expect([...other.store.readRefs("refs/fleet/log/")]).toEqual([[LOG, two]]);
      const [entries] = await other.store.readObjects([`${two}:entries.jsonl`], 100);
      expect(entries?.status).toBe("found");
      await other.store.close();
    });

    test("takes replaced refs, and prunes what vanished below its own pattern alone", async () => {
      const { mine, other } = make();
      const { two, three } = writeCommits(mine.store);
      await push(mine.remote, [
        { ref: LOG, id: two },
        { ref: "refs/fleet/log/b", id: two },
      ]);
      await fetch(other.remote, ALL);
      other.store.writeRef("refs/kept/log/b", two);
      await push(mine.remote, [
        { ref: LOG, id: three, expected: two },
        { ref: "refs/fleet/log/b", id: null, expected: two },
      ]);
      expect(await fetch(other.remote, ALL)).toBe(true);
      expect([...other.store.readRefs("refs/fleet/log/")]).toEqual([[LOG, three]]);
      expect([...other.store.readRefs("refs/kept/log/")]).toEqual([["refs/kept/log/b", two]]);
    });

    test("writes one ref under another name", async () => {
      const { mine, other } = make();
      const { one } = writeCommits(mine.store);
      await push(mine.remote, [{ ref: STATE, id: one }]);
      await fetch(other.remote, `+${STATE}:refs/own/card`);
      expect([...other.store.readRefs("refs/")]).toEqual([["refs/own/card", one]]);
    });

    test("fails when a ref asked for by name is not there", async () => {
      const { mine } = make();
      const result = await mine.remote.fetch([`+${LOG}:${LOG}`], options());
      expect(result).toMatchObject({ ok: false, error: { kind: "failed" } });
    });

    test("listRefs() answers names that start with a prefix, the namespace alone or one ref, and the format", async () => {
      const { mine } = make();
      const { one } = writeCommits(mine.store);
      const listed = async (...prefixes: string[]): Promise<string[]> => {
        const result = await mine.remote.listRefs(prefixes, options());
        if (!result.ok) throw new Error(result.error.detail);
        expect(result.value.format).toBe("sha1");
        return [...result.value.refs.keys()].sort();
      };
      expect(await listed("refs/")).toEqual([]);
      await push(mine.remote, [
        { ref: LOG, id: one },
        { ref: "refs/fleet/log/ab", id: one },
        { ref: STATE, id: one },
      ]);
      expect(await listed("refs/fleet/log/")).toEqual([LOG, "refs/fleet/log/ab"]);
      expect(await listed(STATE)).toEqual([STATE]);
      expect(await listed("refs/fleet/log/none", "refs/fleet/log/ab")).toEqual(["refs/fleet/log/ab"]);
    });

    test("every call answers unreachable while there is no remote", async () => {
      const { mine, disconnect } = make();
      const { one } = writeCommits(mine.store);
      disconnect();
      const answers = [
        await mine.remote.fetch([ALL], options()),
        await mine.remote.push([{ ref: LOG, id: one }], { ...options(), atomic: true }),
        await mine.remote.listRefs(["refs/"], options()),
      ];
      expect(answers.map((answer) => !answer.ok && answer.error.kind)).toEqual([
        "unreachable",
        "unreachable",
        "unreachable",
      ]);
    });

    test("fetch() and push() answer timeout when the caller has stopped", async () => {
      const { mine } = make();
      const { one } = writeCommits(mine.store);
      const stopped = { timeoutMs: 60_000, signal: AbortSignal.abort() };
      expect(await mine.remote.fetch([ALL], stopped)).toMatchObject({
        ok: false,
        error: { kind: "timeout" },
      });
      expect(await mine.remote.push([{ ref: LOG, id: one }], { ...stopped, atomic: false })).toMatchObject({
        ok: false,
        error: { kind: "timeout" },
      });
    });
  });
}
