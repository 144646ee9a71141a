import { afterAll } from "bun:test";
import { mkdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createEmbeddedRemote } from "../../../src/platform/git/bare-repository.ts";
import { openGitRemote } from "../../../src/platform/git/git-remote.ts";
import { createGitStore } from "../../../src/platform/git/local-git-store.ts";
import { MemoryRemote, MemoryStore } from "../../helpers/memory-git.ts";
import { TempGit } from "../../helpers/temp-git.ts";
import { fetchContract, pushContract, type RemoteUnderTest } from "./git-remote.contract.ts";

const temp = new TempGit();
afterAll(() => temp.remove());

function fileRemote(): RemoteUnderTest {
  const url = temp.path("remote.git");
  createEmbeddedRemote(url, "sha1", "2.39.5");
  const connect = () => {
    const storeFolder = temp.path("store");
    const store = createGitStore(storeFolder, "sha1");
    return { store, remote: openGitRemote({ url, storeFolder, environment: temp.environment }) };
  };
  return {
    mine: connect(),
    other: connect(),
    refuseReplacing: () => temp.git(url, "config", "receive.denyNonFastForwards", "true"),
    disconnect: () => renameSync(url, `${url}.away`),
    leaveLock: (ref, wallMs) => {
      mkdirSync(dirname(`${url}/${ref}`), { recursive: true });
      writeFileSync(`${url}/${ref}.lock`, "");
      utimesSync(`${url}/${ref}.lock`, wallMs / 1000, wallMs / 1000);
    },
  };
}

function memoryRemote(): RemoteUnderTest {
  const remote = new MemoryRemote();
  const connect = () => {
    const store = new MemoryStore();
    return { store, remote: remote.connect(store) };
  };
  return {
    mine: connect(),
    other: connect(),
    refuseReplacing: () => remote.refuseReplacing(),
    disconnect: () => {
      remote.troubles.outage = { kind: "unreachable", detail: "no route to host" };
    },
    leaveLock: (ref, wallMs) => void remote.locks.set(ref, wallMs),
  };
}

pushContract("folder", fileRemote);
pushContract("memory", memoryRemote);
fetchContract("folder", fileRemote);
fetchContract("memory", memoryRemote);
