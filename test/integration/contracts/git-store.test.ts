import { afterAll } from "bun:test";
import { chmodSync, rmSync, truncateSync } from "node:fs";
import { createGitStore } from "../../../src/platform/git/local-git-store.ts";
import { looseObjectPath } from "../../../src/platform/git/loose-objects.ts";
import { MemoryStore } from "../../helpers/memory-git.ts";
import { TempGit } from "../../helpers/temp-git.ts";
import { gitStoreContract } from "./git-store.contract.ts";

const temp = new TempGit();
afterAll(() => temp.remove());

for (const format of ["sha1", "sha256"] as const) {
  gitStoreContract("folder", format, () => {
    const folder = temp.path("store");
    const store = createGitStore(folder, format);
    const damage = (id: string): void => {
      const path = looseObjectPath(`${folder}/objects`, id);
      chmodSync(path, 0o600);
      truncateSync(path, 5);
    };
    const lose = (id: string): void => rmSync(looseObjectPath(`${folder}/objects`, id));
    return { store, damage, lose };
  });

  gitStoreContract("memory", format, () => {
    const store = new MemoryStore(format);
    return { store, damage: (id) => store.damage(id), lose: (id) => void store.objects.delete(id) };
  });
}
