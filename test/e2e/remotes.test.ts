import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import {
  type GitServer,
  startGitDaemon,
  startHttpServer,
  startSilentServer,
} from "../helpers/git-servers.ts";
import { type Answer, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, processesWith, untilHolds } from "../helpers/temp-git.ts";
import { findSshd, startSshServer } from "../lab/git/ssh-server.ts";

let fleet: TempFleet;
let servers: GitServer[] = [];
beforeEach(() => {
  fleet = new TempFleet();
});
afterEach(async () => {
  await fleet.remove();
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
});

/** What fleetd should find out about a remote while it joins. */
type Expected = {
  readonly namespace?: string;
  readonly format?: string;
  readonly env?: Record<string, string>;
};

/** The main job over one remote: two servers, a monitor, a question and its automatic answer, read and ack. */
async function converse(remote: string, expected: Expected = {}): Promise<void> {
  const env = expected.env ?? {};
  const first = await fleet.json(["init", "--server", "code1", "--remote", remote], { env });
  expect(first).toMatchObject({
    founded: true,
    waiting: null,
    namespace: expected.namespace ?? "refs/fleet/",
    object_format: expected.format ?? "sha1",
  });
  const second = await fleet.json(["init", "--server", "code2", "--remote", remote], { env });
  expect(second).toMatchObject({
    founded: false,
    waiting: null,
    fleet: first["fleet"] as string,
    servers: 1,
  });
  const monitor = await fleet.monitor("code2", ["--interval", "500ms"], { env });
  const asked = ["send", "Status report please", "Hello", "--to", "code2", "--require-ack"];
  const sent = await fleet.json([...asked, "--wait", "replied", "--timeout", "60"], { as: "code1", env });
  expect(sent).toMatchObject({ state: "replied", reply: { from: "code2", auto: true } });
  const reply = sent["reply"] as { id: string };
  const read = await fleet.json(["read", reply.id.slice(-8)], { as: "code1", env });
  expect(read["message"]).toMatchObject({ in_reply_to: sent["id"], subject: "Re: Hello" });
  const ack = ["ack", String(sent["id"]).slice(-8)];
  expect(await fleet.json(ack, { as: "code2", env })).toMatchObject({ changed: true });
  await untilHolds(async () => (await stateAtCode2(String(sent["id"]), env)) === "acked");
  expect((await fleet.json(["status"], { as: "code2", env }))["problems"]).toEqual([]);
  const ended = await monitor.stop();
  expect(ended.stdout).not.toMatch(/trouble|failed|quarantined/);
}

async function stateAtCode2(id: string, env: Record<string, string>): Promise<unknown> {
  const { messages } = await fleet.json(["sent"], { as: "code1", env });
  const found = (messages as Answer[]).find((message) => message["id"] === id);
  const [recipient] = (found?.["recipients"] ?? []) as Answer[];
  return recipient?.["state"];
}

/** A bare repository whose host checks every ref that is pushed: `$1` ref, `$2` old id, `$3` new id. */
function bareWithHook(body: string): string {
  const folder = fleet.git.bare();
  writeFileSync(`${folder}/hooks/update`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return folder;
}

/** A git that nobody ends waits for 30 s; a command that ends at its own time is done well before that. */
const GIT_WITHIN_MS = 25_000;
const kept = (server: GitServer): GitServer => {
  servers.push(server);
  return server;
};
const nameOf = (folder: string): string => folder.slice(folder.lastIndexOf("/"));

describe("a conversation", () => {
  test("over a path", () => converse(fleet.git.bare()));

  test("over a file:// URL", () => converse(`file://${fleet.git.bare()}`));

  test("over a SHA-256 repository", () => converse(fleet.git.bare("sha256"), { format: "sha256" }));

  test("over git://", async () => {
    const daemon = await startGitDaemon(fleet.git);
    if (daemon !== null) await converse(kept(daemon).url + nameOf(fleet.git.bare()));
  });

  test("over HTTP", async () => {
    const server = kept(startHttpServer(fleet.git, null));
    await converse(server.url + nameOf(servedBare()));
  });

  test("over HTTP with a password, which no answer shows", async () => {
    const server = kept(startHttpServer(fleet.git, "s3cret-word"));
    const url = server.url.replace("//", "//bob:s3cret-word@") + nameOf(servedBare());
    await converse(url);
    const outputs = [
      ["status"],
      ["status", "--json"],
      ["servers"],
      ["init", "--json"],
      ["init", "--remote", "/x"],
    ];
    for (const words of outputs) {
      const { stdout, stderr } = await fleet.run(words, { as: "code1" });
      expect(stdout + stderr).not.toContain("s3cret-word");
    }
  });

  const sshd = findSshd();
  if (sshd === null) console.log("skipped: a conversation over ssh://: sshd is not installed");
  test.skipIf(sshd === null)("over ssh://", async () => {
    const server = await startSshServer(fleet.git, sshd ?? "");
    kept(server);
    const env = { GIT_SSH_COMMAND: server.sshCommand };
    await converse(server.url + nameOf(fleet.git.bare()), { env });
  });

  test("on a host that refuses refs of its users' own making", async () => {
    const folder = bareWithHook(
      'case "$1" in refs/heads/*) exit 0;; esac; echo "custom refs are refused"; exit 1',
    );
    await converse(folder, { namespace: "refs/heads/fleet/" });
    const refs = fleet.git.git(folder, "for-each-ref", "--format=%(refname)").split("\n");
    expect(refs.filter((ref) => !ref.startsWith("refs/heads/fleet/"))).toEqual([]);
  });

  test("on a host that refuses replacing, by a hook: cards become a chain", async () => {
    const isNew = 'case "$2" in *[!0]*) ;; *) exit 0;; esac';
    const folder = bareWithHook(`${isNew}\n[ "$(git merge-base "$2" "$3")" = "$2" ]`);
    await converse(folder);
    const count = fleet.git.git(folder, "rev-list", "--count", "refs/fleet/state/code2");
    expect(Number(count)).toBeGreaterThan(1);
  });

  test("on a host that takes branches only, and refuses to replace them", async () => {
    const folder = bareWithHook('case "$1" in refs/heads/*) exit 0;; esac; exit 1');
    fleet.git.git(folder, "config", "receive.denyNonFastForwards", "true");
    await converse(folder, { namespace: "refs/heads/fleet/" });
    const count = fleet.git.git(folder, "rev-list", "--count", "refs/heads/fleet/state/code2");
    expect(Number(count)).toBeGreaterThan(1);
  });

  function servedBare(): string {
    const folder = fleet.git.bare();
    fleet.git.git(folder, "config", "http.receivepack", "true");
    return folder;
  }
});

describe("a remote that refuses", () => {
  test("a wrong password answers 77", async () => {
    const server = kept(startHttpServer(fleet.git, "right"));
    const url = server.url.replace("//", "//bob:wr0ng-word@") + nameOf(fleet.git.bare());
    const ran = await fleet.run(["init", "--server", "code1", "--remote", url]);
    expect(ran).toMatchObject({ code: 77, stdout: "" });
    expect(ran.stderr).not.toContain("wr0ng-word");
  });

  test("a host that refuses every push answers 77 with its reason", async () => {
    const folder = bareWithHook('echo "closed for today" >&2; exit 1');
    const ran = await fleet.run(["init", "--server", "code1", "--remote", folder]);
    expect(ran).toMatchObject({ code: 77, stdout: "" });
    expect(ran.stderr).toContain("it refuses our refs");
  });
});

describe("a remote that hangs", () => {
  /** A server of a fleet on a git daemon whose place was then taken by one that accepts and says nothing. */
  async function hangingFleet(): Promise<GitServer | null> {
    const daemon = await startGitDaemon(fleet.git);
    if (daemon === null) return null;
    const url = daemon.url + nameOf(fleet.git.bare());
    await fleet.init(["code1"], url);
    await daemon.stop();
    return kept(await startSilentServer(daemon.port));
  }
  const gitsAt = ({ port }: GitServer): number[] => processesWith(`127.0.0.1:${port}`);

  test("send without a daemon answers 75 at its timeout and leaves no git", async () => {
    const silent = await hangingFleet();
    if (silent === null) return;
    const ran = await fleet.run(["send", "held up", "--to", "all", "--timeout", "1"], { as: "code1" });
    expect(ran.code).toBe(75);
    expect(ran.stdout).toMatch(/^Not pushed yet: .* is queued; it is safe here/);
    expect(ran.durationMs).toBeGreaterThan(900);
    expect(ran.durationMs).toBeLessThan(GIT_WITHIN_MS);
    expect(gitsAt(silent)).toEqual([]);
    expect(await fleet.json(["status"], { as: "code1" })).toMatchObject({ queue: { count: 1 } });
  });

  test("send with a daemon answers 75 at its timeout, and a stopped daemon leaves no git", async () => {
    const silent = await hangingFleet();
    if (silent === null) return;
    const monitor = await fleet.monitor("code1");
    const ran = await fleet.run(["send", "held up", "--to", "all", "--timeout", "1"], { as: "code1" });
    expect(ran.code).toBe(75);
    expect(ran.durationMs).toBeLessThan(GIT_WITHIN_MS);
    expect(gitsAt(silent).length).toBeGreaterThan(0);
    const stopped = await monitor.stop();
    expect(stopped.code).toBe(143);
    expect(await eventually(() => gitsAt(silent).length === 0)).toBe(true);
  });

  test("wait ends at its timeout and leaves no git", async () => {
    const silent = await hangingFleet();
    if (silent === null) return;
    const ran = await fleet.run(["wait", "--timeout", "1"], { as: "code1" });
    expect(ran.code).toBe(75);
    expect(ran.durationMs).toBeLessThan(GIT_WITHIN_MS);
    expect(gitsAt(silent)).toEqual([]);
  });

  test("Ctrl-C ends a send that hangs, at once and with its git", async () => {
    const silent = await hangingFleet();
    if (silent === null) return;
    const running = fleet.start(["send", "held up", "--to", "all", "--timeout", "60"], { as: "code1" });
    expect(await eventually(() => gitsAt(silent).length > 0)).toBe(true);
    const ran = await running.stop("SIGINT");
    expect(ran.code).toBe(130);
    expect(gitsAt(silent)).toEqual([]);
    expect(await fleet.json(["status"], { as: "code1" })).toMatchObject({ queue: { count: 1 } });
  });
});
