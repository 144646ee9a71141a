// The watch on a real repository that real git writes to.
import { afterAll, expect, test } from "bun:test";
import { createRemoteWatch } from "../../../src/daemon/watch-remote.ts";
import { eventually, TempGit } from "../../helpers/temp-git.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 30_000;

const git = new TempGit();
afterAll(() => git.remove());

test(
  "rings for every ref of another server, also after git has packed all refs and taken the folders away",
  async () => {
    const remote = git.path("remote.git");
    git.git(git.folder, "init", "-q", "--bare", remote);
    const tree = git.git(remote, "hash-object", "-t", "tree", "-w", "/dev/null");
    const commit = git.git(remote, "commit-tree", "-m", "x", tree);
    const move = (name: string): string => git.git(remote, "update-ref", `refs/fleet/${name}`, commit);
    let rings = 0;
    let heard = 0;
    const watch = createRemoteWatch({ folder: remote, namespace: "refs/fleet/", server: "code1" }, () => {
      rings += 1;
      // As the loop that is woken does: before the look and after it.
      watch.refresh();
    });
    const isHeard = async (): Promise<boolean> => {
      const isNew = await eventually(() => rings > heard, WAIT_MS);
      heard = rings;
      return isNew;
    };
    move("log/code2");
    watch.refresh();
    move("log/code3");
    expect(await isHeard()).toBe(true);
    for (let round = 0; round < 3; round += 1) {
      git.git(remote, "pack-refs", "--all", "--prune");
      // That they are gone is heard as well.
      expect(await isHeard()).toBe(true);
      move(`log/late${round}`);
      expect(await isHeard()).toBe(true);
      watch.refresh();
      heard = rings;
      move(`state/late${round}`);
      expect(await isHeard()).toBe(true);
    }
    watch.close();
  },
  TIMEOUT_MS,
);
