import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type {
  GitRemote,
  RefReport,
  RefUpdate,
  RemoteOptions,
} from "../../../../src/base/ports/git-remote.ts";
import { createEmbeddedRemote } from "../../../../src/platform/git/bare-repository.ts";
import { openGitRemote } from "../../../../src/platform/git/git-remote.ts";
import { createGitStore } from "../../../../src/platform/git/local-git-store.ts";
import { startGitDaemon, startHttpServer } from "../../../helpers/git-servers.ts";
import { commitObjects, TempGit } from "../../../helpers/temp-git.ts";

const temp = new TempGit();
const daemon = await startGitDaemon(temp);
const http = startHttpServer(temp, null);
afterAll(async () => {
  await daemon?.stop();
  await http.stop();
  temp.remove();
});

const options = (atomic = false): RemoteOptions & { atomic: boolean } => ({
  timeoutMs: 60_000,
  signal: new AbortController().signal,
  atomic,
});

const LOG = "refs/fleet/log/a";
const STATE = "refs/fleet/state/a";

/** A store with commits 1 ← 2, and an unrelated commit 3. */
function storeWithCommits(format: "sha1" | "sha256" = "sha1") {
  const folder = temp.path("store");
  const store = createGitStore(folder, format);
  const one = commitObjects(format, "one", null);
  const two = commitObjects(format, "two", one[2].id);
  const three = commitObjects(format, "three", null);
  store.writeObjects([...one, ...two, ...three], false);
  return { folder, store, one: one[2].id, two: two[2].id, three: three[2].id };
}

const open = (url: string, storeFolder: string): GitRemote =>
  openGitRemote({ url, storeFolder, environment: temp.environment });

async function statuses(
  remote: GitRemote,
  updates: RefUpdate[],
  atomic = false,
): Promise<RefReport["status"][]> {
  const result = await remote.push(updates, options(atomic));
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.detail}`);
  expect(result.value.map((report) => report.ref)).toEqual(updates.map((update) => update.ref));
  return result.value.map((report) => report.status);
}

const transports: [string, ((folder: string) => string) | null][] = [
  ["a file remote", (folder) => folder],
  ["git://", daemon && ((folder) => folder.replace(temp.folder, daemon.url))],
  ["http://", (folder) => folder.replace(temp.folder, http.url)],
];

function onEveryTransport(claim: string, body: (toUrl: (folder: string) => string) => Promise<void>): void {
  for (const [name, toUrl] of transports) {
    test.skipIf(toUrl === null)(`push() to ${name} ${claim}`, () => body(toUrl ?? String));
  }
}

onEveryTransport("creates, fast-forwards, and reports what is there as up-to-date", async (toUrl) => {
  const { folder, one, two } = storeWithCommits();
  const bare = temp.bare();
  temp.git(bare, "config", "http.receivepack", "true");
  const remote = open(toUrl(bare), folder);
  expect(
    await statuses(remote, [
      { ref: LOG, id: one },
      { ref: STATE, id: one, expected: null },
    ]),
  ).toEqual(["pushed", "pushed"]);
  expect(
    await statuses(remote, [
      { ref: LOG, id: two },
      { ref: STATE, id: one },
    ]),
  ).toEqual(["pushed", "up-to-date"]);
  expect(temp.git(bare, "rev-parse", LOG)).toBe(two);
  expect(temp.git(bare, "fsck", "--strict", "--no-dangling")).toBe("");
});

onEveryTransport("reports stale when somebody else moved the ref", async (toUrl) => {
  const { folder, one, two, three } = storeWithCommits();
  const bare = temp.bare();
  temp.git(bare, "config", "http.receivepack", "true");
  const remote = open(toUrl(bare), folder);
  await statuses(remote, [{ ref: LOG, id: two }]);
  expect(await statuses(remote, [{ ref: LOG, id: one }])).toEqual(["stale"]);
  expect(await statuses(remote, [{ ref: LOG, id: three, expected: one }])).toEqual(["stale"]);
  expect(await statuses(remote, [{ ref: LOG, id: three, expected: null }])).toEqual(["stale"]);
  expect(await statuses(remote, [{ ref: LOG, id: null, expected: one }])).toEqual(["stale"]);
  const other = storeWithCommits();
  const foreign = commitObjects("sha1", "foreign", two);
  other.store.writeObjects(foreign, false);
  await statuses(open(toUrl(bare), other.folder), [{ ref: LOG, id: foreign[2].id }]);
  expect(await statuses(remote, [{ ref: LOG, id: three }])).toEqual(["stale"]);
});

onEveryTransport("replaces and deletes with a lease that matches", async (toUrl) => {
  const { folder, two, three } = storeWithCommits();
  const bare = temp.bare();
  temp.git(bare, "config", "http.receivepack", "true");
  const remote = open(toUrl(bare), folder);
  await statuses(remote, [{ ref: LOG, id: two }]);
  expect(await statuses(remote, [{ ref: LOG, id: three, expected: two }])).toEqual(["pushed"]);
  expect(await statuses(remote, [{ ref: LOG, id: null, expected: three }])).toEqual(["pushed"]);
  expect(temp.git(bare, "for-each-ref")).toBe("");
});

onEveryTransport(
  "reports refused when a hook or the remote's policy says no, and keeps escape sequences as data",
  async (toUrl) => {
    const { folder, one, two, three } = storeWithCommits();
    const bare = temp.bare();
    temp.git(bare, "config", "http.receivepack", "true");
    const remote = open(toUrl(bare), folder);
    await statuses(remote, [{ ref: "refs/heads/fleet/a", id: two }]);
    mkdirSync(`${bare}/hooks`, { recursive: true });
    writeFileSync(
      `${bare}/hooks/update`,
      "#!/bin/sh\nprintf '\\033[31mno way\\033]0;x\\007\\n' >&2\n[ $1 != refs/fleet/log/a ]\n",
    );
    chmodSync(`${bare}/hooks/update`, 0o755);
    expect(
      await statuses(remote, [
        { ref: LOG, id: one },
        { ref: STATE, id: one },
      ]),
    ).toEqual(["refused", "pushed"]);
    expect(
      await statuses(
        remote,
        [
          { ref: LOG, id: one },
          { ref: "refs/fleet/n", id: one },
        ],
        true,
      ),
    ).toEqual(["refused", "busy"]);
    expect(temp.git(bare, "for-each-ref", "refs/fleet/n", LOG)).toBe("");
    rmSync(`${bare}/hooks`, { recursive: true });
    temp.git(bare, "config", "receive.denyDeletes", "true");
    temp.git(bare, "config", "receive.denyNonFastForwards", "true");
    temp.git(bare, "config", "transfer.hideRefs", "refs/hidden");
    expect(await statuses(remote, [{ ref: "refs/heads/fleet/a", id: three, expected: two }])).toEqual([
      "refused",
    ]);
    expect(await statuses(remote, [{ ref: "refs/heads/fleet/a", id: null, expected: two }])).toEqual([
      "refused",
    ]);
    expect(await statuses(remote, [{ ref: "refs/hidden/a", id: one }])).toEqual(["refused"]);
    expect(await statuses(remote, [{ ref: `${STATE}/below`, id: one }])).toEqual(["refused"]);
  },
);

onEveryTransport(
  "reports busy when the ref is locked, alone and in an atomic push, which then moves nothing",
  async (toUrl) => {
    const { folder, one, two } = storeWithCommits();
    const bare = temp.bare();
    temp.git(bare, "config", "http.receivepack", "true");
    const remote = open(toUrl(bare), folder);
    await statuses(remote, [{ ref: LOG, id: one }]);
    writeFileSync(`${bare}/${LOG}.lock`, "");
    expect(
      await statuses(remote, [
        { ref: LOG, id: two },
        { ref: STATE, id: one },
      ]),
    ).toEqual(["busy", "pushed"]);
    expect(
      await statuses(
        remote,
        [
          { ref: LOG, id: two },
          { ref: STATE, id: two },
        ],
        true,
      ),
    ).toEqual(["busy", "busy"]);
    expect(temp.git(bare, "rev-parse", LOG, STATE)).toBe(`${one}\n${one}`);
  },
);

onEveryTransport(
  "moves all refs or none when atomic, and falls back to one by one where the remote cannot",
  async (toUrl) => {
    const { folder, one, two, three } = storeWithCommits();
    const bare = temp.bare();
    temp.git(bare, "config", "http.receivepack", "true");
    const remote = open(toUrl(bare), folder);
    await statuses(remote, [{ ref: LOG, id: two }]);
    expect(
      await statuses(
        remote,
        [
          { ref: STATE, id: one },
          { ref: LOG, id: three },
        ],
        true,
      ),
    ).toEqual(["busy", "stale"]);
    expect(temp.git(bare, "for-each-ref", STATE)).toBe("");
    expect(
      await statuses(
        remote,
        [
          { ref: STATE, id: one },
          { ref: LOG, id: two },
        ],
        true,
      ),
    ).toEqual(["pushed", "up-to-date"]);
    temp.git(bare, "config", "receive.advertiseAtomic", "false");
    writeFileSync(`${bare}/${LOG}.lock`, "");
    const updates = [
      { ref: STATE, id: two },
      { ref: LOG, id: three, expected: two },
      { ref: "refs/fleet/z", id: one },
    ];
    expect(await statuses(remote, updates, true)).toEqual(["pushed", "busy", "busy"]);
    expect(temp.git(bare, "for-each-ref", "refs/fleet/z")).toBe("");
  },
);

test("push() lets exactly one of several racing creators win", async () => {
  const bare = temp.bare();
  const racers = Array.from({ length: 6 }, (_, index) => {
    const folder = temp.path("racer");
    const objects = commitObjects("sha1", `racer ${index}`, null);
    createGitStore(folder, "sha1").writeObjects(objects, false);
    return { remote: open(bare, folder), id: objects[2].id };
  });
  const results = await Promise.all(
    racers.map(({ remote, id }) => statuses(remote, [{ ref: "refs/fleet/claim/x", id, expected: null }])),
  );
  const flat = results.flat();
  expect(flat.filter((status) => status === "pushed")).toHaveLength(1);
  expect(flat.filter((status) => status === "refused")).toEqual([]);
});

test("push() works between SHA-256 repositories and reports format-mismatch between formats", async () => {
  const { folder, one } = storeWithCommits("sha256");
  const bare = temp.path("embedded");
  createEmbeddedRemote(bare, "sha256", "2.39.5");
  expect(await statuses(open(bare, folder), [{ ref: LOG, id: one }])).toEqual(["pushed"]);
  expect(temp.git(bare, "fsck", "--strict", "--no-dangling")).toBe("");
  for (const [remote, store] of [
    ["sha1", "sha256"],
    ["sha256", "sha1"],
  ] as const) {
    const source = storeWithCommits(store);
    const result = await open(temp.bare(remote), source.folder).push(
      [{ ref: LOG, id: source.one }],
      options(),
    );
    expect(result.ok ? null : result.error.kind).toBe("format-mismatch");
  }
});

test("push() runs no hook planted in the store, and ignores the user's push settings", async () => {
  const { folder, one } = storeWithCommits();
  const bare = temp.bare();
  const mark = temp.path("mark");
  mkdirSync(`${folder}/hooks`);
  for (const hook of ["pre-push", "reference-transaction", "post-checkout", "fsmonitor-watchman"]) {
    writeFileSync(`${folder}/hooks/${hook}`, `#!/bin/sh\ntouch ${mark}\n`);
    chmodSync(`${folder}/hooks/${hook}`, 0o755);
  }
  const settings = [
    "push.pushOption=x",
    "push.gpgSign=true",
    "push.followTags=true",
    `core.hooksPath=${folder}/hooks`,
  ];
  for (const setting of settings) temp.git(folder, "config", ...(setting.split("=") as [string, string]));
  const remote = open(bare, folder);
  expect(await statuses(remote, [{ ref: LOG, id: one }])).toEqual(["pushed"]);
  expect((await remote.fetch(["+refs/fleet/*:refs/fleet/*"], options())).ok).toBe(true);
  expect(existsSync(mark)).toBe(false);
});
