import { describe, expect, test } from "bun:test";
import type { GitObject, GitStore, ObjectFormat } from "../../../src/base/ports/git-store.ts";
import { commitObjects, gitObject } from "../../helpers/temp-git.ts";

/** A store under test; `damage` leaves only half of an object, `lose` nothing of it. */
export interface StoreUnderTest {
  readonly store: GitStore;
  readonly damage: (id: string) => void;
  readonly lose: (id: string) => void;
}

/** A commit whose `entries.jsonl` is `id`, as an entry of this mode. */
function commitNaming(format: ObjectFormat, mode: string, id: string): [GitObject, GitObject] {
  const entry = Buffer.concat([Buffer.from(`${mode} entries.jsonl\0`), Buffer.from(id, "hex")]);
  const tree = gitObject(format, "tree", entry);
  return [tree, gitObject(format, "commit", `tree ${tree.id}\n\n${mode}\n`)];
}

/** `count` commits on top of each other, oldest first. */
function chain(format: ObjectFormat, count: number): { objects: GitObject[]; ids: string[] } {
  const objects: GitObject[] = [];
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const made = commitObjects(format, `line ${index}`, ids.at(-1) ?? null);
    objects.push(...made);
    ids.push(made[2].id);
  }
  return { objects, ids };
}

/** What everybody may expect of a `GitStore`. */
export function gitStoreContract(name: string, format: ObjectFormat, make: () => StoreUnderTest): void {
  const absent = "ab".repeat(format === "sha1" ? 20 : 32);

  describe(`GitStore: ${name}, ${format}`, () => {
    test("readObjects() answers ids and <commit>:<path> in order, and what is missing", async () => {
      const { store } = make();
      const { objects, ids } = chain(format, 2);
      store.writeObjects(objects, false);
      const [first = "", second = ""] = ids;
      const names = [
        `${second}:entries.jsonl`,
        absent,
        first,
        `${first}:entries.sig`,
        `${absent}:entries.jsonl`,
        `${first}:entries.jsonl`,
      ];
      const answers = await store.readObjects(names, 1000);
      const texts = answers.map((answer) =>
        answer.status === "found"
          ? `${answer.kind} ${new TextDecoder().decode(answer.content)}`
          : answer.status,
      );
      expect(texts.map((text) => text.split("\n")[0])).toEqual([
        "blob line 1",
        "missing",
        expect.stringMatching(/^commit tree [0-9a-f]+$/),
        "missing",
        "missing",
        "blob line 0",
      ]);
      expect(await store.readObjects([], 1000)).toEqual([]);
      await store.close();
    });

    test.each(["blob", "tree"] as const)(
      "readObjects() rejects with IO where the %s behind a path is damaged or lost, and tells which",
      async (kind) => {
        for (const harm of ["damage", "lose"] as const) {
          const made = make();
          const { store } = made;
          const [blob, tree, commit] = commitObjects(format, "line 0", null);
          const whole = commitObjects(format, "line 1", null);
          store.writeObjects([blob, tree, commit, ...whole], false);
          made[harm]((kind === "blob" ? blob : tree).id);
          const read = (id: string) =>
            store.readObjects([`${id}:entries.jsonl`], 1000).catch((reason: unknown) => reason);
          expect([harm, await read(commit.id)]).toEqual([harm, expect.objectContaining({ code: "IO" })]);
          // What was never there is no damage, and others can still be read.
          expect(await read(absent)).toEqual([{ status: "missing" }]);
          expect(await read(whole[2].id)).toEqual([expect.objectContaining({ status: "found" })]);
          store.writeObjects([blob, tree], false);
          expect(await read(commit.id)).toEqual([expect.objectContaining({ status: "found" })]);
          await store.close();
        }
      },
    );

    test("readObjects() takes a submodule for no file, and a link or a folder for what it is", async () => {
      const { store } = make();
      const blob = gitObject(format, "blob", "target");
      const [folder] = commitNaming(format, "100644", blob.id);
      const modes = { "160000": absent, "120000": blob.id, "40000": folder.id } as const;
      for (const [mode, id] of Object.entries(modes)) {
        const [tree, commit] = commitNaming(format, mode, id);
        store.writeObjects([blob, folder, tree, commit], false);
        const [answer] = await store.readObjects([`${commit.id}:entries.jsonl`], 1000);
        const kinds = { "160000": undefined, "120000": "blob", "40000": "tree" } as const;
        expect([mode, answer?.status === "found" ? answer.kind : undefined]).toEqual([
          mode,
          kinds[mode as keyof typeof kinds],
        ]);
      }
      // A ref may name a file, which has no files of its own.
      expect(await store.readObjects([`${blob.id}:entries.jsonl`], 1000)).toEqual([{ status: "missing" }]);
      await store.close();
    });

    test("readObjects() decides too-large from the size, exactly above the limit", async () => {
      const { store } = make();
      const blob = gitObject(format, "blob", "123456");
      store.writeObjects([blob], false);
      expect((await store.readObjects([blob.id], 6))[0]?.status).toBe("found");
      expect((await store.readObjects([blob.id], 5))[0]).toEqual({ status: "too-large", sizeBytes: 6 });
      await store.close();
    });

    test("readObjects() takes no name that is not a full id and a plain path", () => {
      const { store } = make();
      for (const name of ["HEAD", absent.slice(1), `${absent}:a b`, `${absent}^{tree}`, "--batch"]) {
        expect(() => store.readObjects([name], 10)).toThrow();
      }
    });

    test("listCommits() goes from after the known commit to the tip, oldest first", async () => {
      const { store } = make();
      const { objects, ids } = chain(format, 5);
      store.writeObjects(objects, false);
      const tip = ids[4] ?? "";
      const list = async (known: string | null, max = 100): Promise<string[]> =>
        (await store.listCommits(tip, known, max)).map((step) => step.id);
      expect(await list(null)).toEqual(ids);
      expect(await list(ids[2] ?? "")).toEqual(ids.slice(3));
      expect(await list(tip)).toEqual([]);
      expect(await list(ids[0] ?? "", 2)).toEqual(ids.slice(1, 3));
      expect(await list(absent)).toEqual(ids);
      const steps = await store.listCommits(tip, null, 100);
      expect(steps.map((step) => step.parents)).toEqual([[], ...ids.slice(0, 4).map((id) => [id])]);
      await store.close();
    });

    test("listCommits() rejects with IO where a commit is missing", async () => {
      const { store } = make();
      const { objects, ids } = chain(format, 3);
      store.writeObjects(
        objects.filter((object) => object.id !== ids[1]),
        false,
      );
      const thrown = await store.listCommits(ids[2] ?? "", null, 100).catch((reason: unknown) => reason);
      expect(thrown).toMatchObject({ code: "IO" });
      await store.close();
    });

    test("writeRef() sets, moves and deletes; readRefs() answers what lies below a prefix", async () => {
      const { store } = make();
      const { objects, ids } = chain(format, 2);
      store.writeObjects(objects, false);
      const [first = "", second = ""] = ids;
      store.writeRef("refs/fleet/log/b", first);
      store.writeRef("refs/fleet/log/a", first);
      store.writeRef("refs/fleet/state/a", first);
      store.writeRef("refs/fleet/log/a", second);
      expect([...store.readRefs("refs/fleet/log/")].sort()).toEqual([
        ["refs/fleet/log/a", second],
        ["refs/fleet/log/b", first],
      ]);
      store.writeRef("refs/fleet/log/a", null);
      store.writeRef("refs/fleet/log/none", null);
      expect([...store.readRefs("refs/fleet/log/").keys()]).toEqual(["refs/fleet/log/b"]);
      expect(store.readRefs("refs/none/").size).toBe(0);
      await store.close();
    });

    test("verifyObject() tells what is there, what is not, and what is damaged; writing mends it", async () => {
      const { store, damage } = make();
      const blob = gitObject(format, "blob", "hello");
      expect(await store.verifyObject(blob.id)).toBe(false);
      store.writeObjects([blob], false);
      expect(await store.verifyObject(blob.id)).toBe(true);
      damage(blob.id);
      expect(await store.verifyObject(blob.id)).toBe(false);
      store.writeObjects([blob], true);
      expect(await store.verifyObject(blob.id)).toBe(true);
      await store.close();
    });
  });
}
