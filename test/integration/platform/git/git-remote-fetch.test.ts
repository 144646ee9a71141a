import { afterAll, expect, test } from "bun:test";
import { existsSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import type { GitRemote } from "../../../../src/base/ports/git-remote.ts";
import { openGitRemote } from "../../../../src/platform/git/git-remote.ts";
import { createGitStore } from "../../../../src/platform/git/local-git-store.ts";
import { probeGit } from "../../../../src/platform/git/probe-git.ts";
import { removeStaleRefLock } from "../../../../src/platform/git/ref-locks.ts";
import { startGitDaemon, startHttpServer, startSilentServer } from "../../../helpers/git-servers.ts";
import {
  commitObjects,
  eventually,
  processesWith,
  TempGit,
  zombieChildren,
} from "../../../helpers/temp-git.ts";

const temp = new TempGit();
const daemon = await startGitDaemon(temp);
afterAll(async () => {
  await daemon?.stop();
  temp.remove();
});

const REFSPEC = "+refs/fleet/*:refs/fleet/*";
const options = { timeoutMs: 60_000, signal: new AbortController().signal };

const open = (url: string, storeFolder: string, added: Record<string, string> = {}): GitRemote =>
  openGitRemote({ url, storeFolder, environment: { ...temp.environment, ...added } });

function newStore(format: "sha1" | "sha256" = "sha1") {
  const folder = temp.path("store");
  return { folder, store: createGitStore(folder, format) };
}

/** A bare repository with one commit at `refs/fleet/log/a` and `refs/fleet/state/a`. */
function filledRemote(format: "sha1" | "sha256" = "sha1"): { bare: string; id: string } {
  const bare = temp.bare(format);
  const source = newStore(format);
  const commit = commitObjects(format, "hello", null);
  source.store.writeObjects(commit, false);
  const id = commit[2].id;
  temp.git(source.folder, "push", "-q", bare, `${id}:refs/fleet/log/a`, `${id}:refs/fleet/state/a`);
  return { bare, id };
}

async function kindOf(remote: GitRemote, timeoutMs = 60_000): Promise<string | null> {
  const result = await remote.fetch([REFSPEC], { ...options, timeoutMs });
  return result.ok ? null : result.error.kind;
}

test("fetch() brings refs, says whether one moved, prunes, and leaves tags and FETCH_HEAD alone", async () => {
  const { bare, id } = filledRemote();
  temp.git(bare, "tag", "v1", id);
  const { folder, store } = newStore();
  const remote = open(bare, folder);
  expect(await remote.fetch([REFSPEC], options)).toEqual({ ok: true, value: { changed: true } });
  expect(store.readRefs("refs/")).toEqual(
    new Map([
      ["refs/fleet/log/a", id],
      ["refs/fleet/state/a", id],
    ]),
  );
  const [answer] = await store.readObjects([`${id}:entries.jsonl`], 100);
  expect(answer?.status).toBe("found");
  expect(await remote.fetch([REFSPEC], options)).toEqual({ ok: true, value: { changed: false } });
  temp.git(bare, "update-ref", "-d", "refs/fleet/state/a");
  expect(await remote.fetch([REFSPEC], options)).toEqual({ ok: true, value: { changed: true } });
  expect([...store.readRefs("refs/").keys()]).toEqual(["refs/fleet/log/a"]);
  expect(existsSync(`${folder}/FETCH_HEAD`)).toBe(false);
});

test.skipIf(process.platform !== "linux")("fetch() removes locks that a killed fetch left here", async () => {
  const { bare, id } = filledRemote();
  const { folder, store } = newStore();
  const remote = open(bare, folder);
  await remote.fetch([REFSPEC], options);
  const commit = commitObjects("sha1", "next", id);
  store.writeObjects(commit, false);
  temp.git(folder, "push", "-q", bare, `${commit[2].id}:refs/fleet/log/a`);
  temp.git(bare, "update-ref", "-d", "refs/fleet/state/a");
  // The reader stays for as long as a daemon does, and is nobody's reason to wait.
  await store.readObjects([id], 1000);
  for (const name of ["refs/fleet/log/a.lock", "packed-refs.lock"]) writeFileSync(`${folder}/${name}`, "");
  expect(await remote.fetch([REFSPEC], options)).toEqual({ ok: true, value: { changed: true } });
  expect(store.readRefs("refs/")).toEqual(new Map([["refs/fleet/log/a", commit[2].id]]));
  await store.close();
});

test("fetch() brings what a writer pushed although fsck would refuse it", async () => {
  const { bare, id } = filledRemote();
  const tree = temp.git(bare, "rev-parse", `${id}^{tree}`);
  const odd = Bun.spawnSync(
    ["git", "-C", bare, "hash-object", "-t", "commit", "-w", "--literally", "--stdin"],
    {
      stdin: new TextEncoder().encode(
        `tree ${tree}\nauthor x <x> 99999999999999999999 +0000\ncommitter x 1 +0000\n\nodd`,
      ),
      env: temp.environment,
    },
  );
  temp.git(bare, "update-ref", "refs/fleet/log/odd", odd.stdout.toString().trim());
  const { folder, store } = newStore();
  temp.git(folder, "config", "fetch.fsckObjects", "true");
  expect(await kindOf(open(bare, folder))).toBeNull();
  expect(store.readRefs("refs/fleet/").size).toBe(3);
});

test("fetch() tells why there was no answer", async () => {
  const { folder } = newStore();
  const gone = `${temp.folder}/not-mounted.git`;
  expect(await kindOf(open(gone, folder))).toBe("unreachable");
  expect(await kindOf(open(`file://${gone}`, folder))).toBe("unreachable");
  expect(await kindOf(open(temp.home, folder))).toBe("no-repository");
  expect(await kindOf(open("git://127.0.0.1:1/x", folder))).toBe("unreachable");
  expect(await kindOf(open("http://127.0.0.1:1/x", folder))).toBe("unreachable");
  expect(await kindOf(open("http://name.invalid/x", folder))).toBe("unreachable");
  expect(await kindOf(open(filledRemote("sha256").bare, folder))).toBe("format-mismatch");
  if (daemon !== null) expect(await kindOf(open(`${daemon.url}/none.git`, folder))).toBe("no-repository");
});

test("fetch() over ssh reports a refused key, an unreachable host and a missing repository", async () => {
  const { folder } = newStore();
  const ssh = `${temp.folder}/ssh`;
  const say = (words: string): string => {
    writeFileSync(ssh, `#!/bin/sh\necho "${words}" >&2\nexit 255\n`, { mode: 0o755 });
    return ssh;
  };
  const kindWith = (words: string) =>
    kindOf(open("git@host.invalid:x.git", folder, { GIT_SSH_COMMAND: say(words) }));
  expect(await kindWith("git@host: Permission denied (publickey).")).toBe("unauthorised");
  expect(await kindWith("Host key verification failed.")).toBe("unauthorised");
  expect(await kindWith("ssh: connect to host x port 22: No route to host")).toBe("unreachable");
  expect(await kindWith("fatal: 'x.git' does not appear to be a git repository")).toBe("no-repository");
});

test("fetch() over ssh uses the user's core.sshCommand", async () => {
  const { bare, id } = filledRemote();
  const { folder, store } = newStore();
  const ssh = `${temp.folder}/my-ssh`;
  // The words after the host are the command that ssh would run there.
  writeFileSync(
    ssh,
    '#!/bin/sh\nwhile [ "$1" != git@host.invalid ]; do shift; done\nshift\nexec sh -c "$*"\n',
    { mode: 0o755 },
  );
  temp.git(folder, "config", "core.sshCommand", ssh);
  expect(await kindOf(open(`git@host.invalid:${bare}`, folder))).toBeNull();
  expect(store.readRefs("refs/fleet/").get("refs/fleet/log/a")).toBe(id);
});

test("fetch() from a server that says nothing ends by its deadline and leaves no process", async () => {
  const server = await startSilentServer();
  const { folder } = newStore();
  const started = performance.now();
  for (const url of [`${server.url}/x`, `${server.url.replace("git:", "http:")}/x`]) {
    const silent = await open(url, folder).fetch([REFSPEC], { ...options, timeoutMs: 300 });
    expect(silent).toEqual({ ok: false, error: { kind: "timeout", detail: "no answer within 300 ms" } });
  }
  // Its deadline, and not that of TCP, which is minutes.
  expect(performance.now() - started).toBeLessThan(30_000);
  expect(processesWith(`:${server.port}/x`)).toEqual([]);
  expect(zombieChildren()).toEqual([]);
  await server.stop();
});

test("fetch() ends when its signal aborts, helpers that ignore TERM included", async () => {
  const { folder } = newStore();
  const ssh = `${temp.folder}/deaf-ssh`;
  writeFileSync(ssh, "#!/bin/sh\ntrap '' TERM\ntouch $0.started\nwhile :; do sleep 0.05; done\n", {
    mode: 0o755,
  });
  const controller = new AbortController();
  const remote = open("git@host.invalid:x.git", folder, { GIT_SSH_COMMAND: ssh });
  const result = remote.fetch([REFSPEC], { timeoutMs: 60_000, signal: controller.signal });
  expect(await eventually(() => existsSync(`${ssh}.started`))).toBe(true);
  expect(processesWith("deaf-ssh").length).toBeGreaterThan(0);
  controller.abort();
  expect((await result).ok).toBe(false);
  expect(processesWith("deaf-ssh")).toEqual([]);
  expect((await remote.fetch([REFSPEC], { timeoutMs: 60_000, signal: controller.signal })).ok).toBe(false);
});

test("openGitRemote() refuses options and commands in the place of a URL", () => {
  const { folder } = newStore();
  for (const url of ["--upload-pack=touch x", "-x", "", "a\nb", "ext::sh -c touch% x", "fd::3"]) {
    expect(() => open(url, folder)).toThrow("Cannot use the remote");
  }
});

test("fetch() takes a path that reads like an option behind -- as a path", async () => {
  const { folder } = newStore();
  const mark = `${temp.folder}/mark`;
  const remote = open(`./--upload-pack=touch ${mark}`, folder);
  expect(await kindOf(remote)).toBe("unreachable");
  const result = await remote.fetch([`--upload-pack=touch ${mark}`], options);
  expect(result.ok).toBe(false);
  expect(existsSync(mark)).toBe(false);
});

test("displayUrl and failures never show credentials", async () => {
  const { folder } = newStore();
  const server = startHttpServer(temp, "right");
  const url = server.url.replace("http://", "http://bob:s3cret%40x@");
  const remote = open(`${url}/none.git`, folder);
  expect(remote.displayUrl).toBe(`${server.url}/none.git`);
  const result = await remote.fetch([REFSPEC], options);
  expect(result.ok ? null : result.error.kind).toBe("unauthorised");
  expect(JSON.stringify(result)).not.toContain("s3cret");
  await server.stop();
  const after = await remote.fetch([REFSPEC], options);
  expect(after.ok ? null : after.error.kind).toBe("unreachable");
  expect(JSON.stringify(after)).not.toContain("s3cret");
});

test("listRefs() tells refs by prefix and the object format, of files, git:// and http", async () => {
  const http = startHttpServer(temp, "pw");
  const authority = http.url.replace("http://", "http://bob:pw@");
  for (const format of ["sha1", "sha256"] as const) {
    const { folder } = newStore(format);
    const { bare, id } = filledRemote(format);
    const empty = temp.bare(format);
    for (const base of [temp.folder, daemon?.url, authority]) {
      if (base === undefined) continue;
      const remote = open(bare.replace(temp.folder, base), folder);
      const refs = new Map([["refs/fleet/log/a", id]]);
      expect(await remote.listRefs(["refs/fleet/log/"], options)).toEqual({
        ok: true,
        value: { refs, format },
      });
      expect(await remote.listRefs(["refs/fleet/log/a", "refs/none/"], options)).toEqual({
        ok: true,
        value: { refs, format },
      });
      const none = await open(empty.replace(temp.folder, base), folder).listRefs(["refs/fleet/"], options);
      expect(none).toEqual({ ok: true, value: { refs: new Map(), format } });
    }
  }
  await http.stop();
});

test("listRefs() over plain http asks without git; a password that is asked for goes to git", async () => {
  const { bare } = filledRemote();
  const { folder } = newStore();
  const open_ = startHttpServer(temp, null);
  const remote = open(bare.replace(temp.folder, open_.url), folder);
  await remote.listRefs(["refs/fleet/"], options);
  await remote.listRefs(["refs/fleet/"], options);
  expect(open_.requests.filter((request) => request.endsWith("git/fleetd"))).toHaveLength(3);
  expect(open_.requests).toHaveLength(3);
  const proxied = open(bare.replace(temp.folder, open_.url), folder, { http_proxy: open_.url });
  await proxied.listRefs(["refs/fleet/"], options);
  expect(open_.requests.filter((request) => request.endsWith("git/fleetd"))).toHaveLength(3);
  await open_.stop();
  const closed = startHttpServer(temp, "pw");
  const result = await open(bare.replace(temp.folder, closed.url), folder).listRefs(["refs/fleet/"], options);
  expect(result.ok ? null : result.error.kind).toBe("unauthorised");
  await closed.stop();
});

test("removeStaleRefLock() removes a lock that nobody holds, older than 60 s, of the named ref alone", () => {
  const { bare } = filledRemote();
  const ref = "refs/fleet/log/a";
  const lock = `${bare}/${ref}.lock`;
  const nowMs = Date.now();
  expect(removeStaleRefLock(bare, ref, nowMs).outcome).toBe("none");
  writeFileSync(lock, "");
  expect(removeStaleRefLock(bare, ref, nowMs + 59_000).outcome).toBe("young");
  utimesSync(lock, (nowMs - 100_000) / 1000, (nowMs - 100_000) / 1000);
  writeFileSync(`${bare}/refs/fleet/log/b.lock`, "");
  const holder = Bun.spawn(["sleep", "30"], { stdio: [Bun.file(lock), "ignore", "ignore"] });
  const held = removeStaleRefLock(bare, ref, nowMs);
  holder.kill();
  if (process.platform !== "linux") {
    expect(held.outcome).toBe("unknown");
    return;
  }
  expect(held.outcome).toBe("in-use");
});

test.skipIf(process.platform !== "linux")("removeStaleRefLock() lets the next push through", async () => {
  const { bare, id } = filledRemote();
  const { folder, store } = newStore();
  store.writeObjects(commitObjects("sha1", "hello", null), false);
  const next = commitObjects("sha1", "next", id);
  store.writeObjects(next, false);
  const ref = "refs/fleet/log/a";
  writeFileSync(`${bare}/${ref}.lock`, "");
  const push = () => open(bare, folder).push([{ ref, id: next[2].id }], { ...options, atomic: false });
  const blocked = await push();
  expect(blocked.ok && blocked.value[0]?.status).toBe("busy");
  const finding = removeStaleRefLock(bare, ref, Date.now() + 61_000);
  expect(finding).toMatchObject({ outcome: "removed", path: `${bare}/${ref}.lock` });
  const freed = await push();
  expect(freed.ok && freed.value[0]?.status).toBe("pushed");
  rmSync(bare, { recursive: true });
});

test("probeGit() tells the version, and says when there is no git or an old one", async () => {
  expect(await probeGit(temp.environment)).toMatch(/^\d+\.\d+/);
  await expect(probeGit({ ...temp.environment, PATH: temp.home })).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
  writeFileSync(`${temp.home}/git`, '#!/bin/sh\necho "git version 2.24.4"\n', { mode: 0o755 });
  await expect(probeGit({ ...temp.environment, PATH: `${temp.home}:/bin` })).rejects.toThrow("2.24.4");
});
