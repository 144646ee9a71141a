// `fleetd trust` as its users meet it: what it says, which words it refuses, and with which exit code it ends.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ran, TempFleet } from "../helpers/temp-fleet.ts";

const fleet = new TempFleet();
const [one, two, three] = [{ as: "code1" }, { as: "code2" }, { as: "code3" }];
const OTHER = "SHA256:TIvwkqWmSfkXBM/jGlj/lpcTN9/GE+KlNuo8tOFSVTw";
beforeAll(() => fleet.init(["code1", "code2", "code3"]), 60_000);
afterAll(() => fleet.remove());

const keyFile = (server: string): string => join(fleet.root, server, "key.pub");

interface Entry {
  readonly server: string;
  readonly trust: string;
  readonly fingerprint: string;
  readonly public_key: string;
  readonly since: string;
  readonly former: readonly { readonly fingerprint: string; readonly how: string; readonly until: string }[];
  readonly advice: string | null;
}

async function list(as: { readonly as: string }): Promise<Entry[]> {
  const answer = await fleet.json(["trust", "list"], as);
  expect(answer).toMatchObject({ schema: "fleetd.trust/1", server: as.as });
  return answer["servers"] as Entry[];
}

const entry = async (as: { readonly as: string }, server: string): Promise<Entry> => {
  const found = (await list(as)).find((row) => row.server === server);
  if (found === undefined) throw new Error(`${as.as} does not list ${server}`);
  return found;
};

/** The fingerprint as OpenSSH shows it, where it is here. */
function sshFingerprint(server: string): string | null {
  if (Bun.which("ssh-keygen") === null) return null;
  const shown = Bun.spawnSync(["ssh-keygen", "-lf", keyFile(server)]).stdout.toString();
  return shown.split(" ")[1] ?? "";
}

describe("fleetd trust list", () => {
  test("has the own key first, then every server with the fingerprint that ssh-keygen shows", async () => {
    const rows = await list(one);
    expect(rows.map(({ server, trust }) => [server, trust])).toEqual([
      ["code1", "own"],
      ["code2", "first-sight"],
      ["code3", "first-sight"],
    ]);
    for (const { server, fingerprint, since } of rows) {
      expect(fingerprint).toBe(sshFingerprint(server) ?? fingerprint);
      expect(Math.abs(Date.parse(since) - Date.now())).toBeLessThan(3_600_000);
    }
    const text = await fleet.text(["trust"], one);
    expect(text).toContain("pinned on first sight");
    expect(text).toContain(rows[1]?.fingerprint ?? "?");
  }, 60_000);

  test("works beside a monitor as without one", async () => {
    const monitor = await fleet.monitor("code3");
    expect((await list(three)).map(({ server }) => server)).toEqual(["code3", "code1", "code2"]);
    await monitor.stop();
  }, 60_000);
});

describe("words that fleetd trust refuses", () => {
  const cases: [string, readonly string[], number, string][] = [
    ["an unknown verb", ["trust", "revok", "code2"], 64, 'did you mean "trust revoke"?'],
    ["an unknown flag", ["trust", "add", "code2", "--force"], 64, 'Unknown flag "--force"'],
    ["no id", ["trust", "revoke"], 64, "Missing ID"],
    ["an id that is none", ["trust", "add", "../x"], 64, "Cannot use server id"],
    ["a key that is none", ["trust", "add", "code2", "MD5:00:11"], 64, "Cannot read key"],
    ["two places for a key", ["trust", "add", "code2", OTHER, "--file", "x"], 64, "two places"],
    ["a file that is missing", ["trust", "add", "code2", "--file", "/nowhere/key"], 65, "Cannot read a key"],
    ["revoke without --yes", ["trust", "revoke", "code2"], 64, "without --yes"],
    ["rotate without --yes", ["trust", "rotate"], 64, "without --yes"],
    ["this server itself", ["trust", "revoke", "code1", "--yes"], 65, "it is this server"],
    ["this server itself", ["trust", "add", "code1"], 65, "it is this server"],
    ["a server that nobody knows", ["trust", "revoke", "nobody", "--yes"], 65, "no such server"],
    ["a server without any key", ["trust", "add", "nobody"], 65, "need its key or fingerprint"],
    ["another fingerprint than is shown", ["trust", "add", "code2", OTHER], 65, `and ${OTHER} was given`],
  ];
  for (const [what, words, code, says] of cases) {
    test(`${what}: ${words.join(" ")}`, async () => {
      const ran: Ran = await fleet.run(words, one);
      expect([ran.code, ran.stdout]).toEqual([code, ""]);
      expect(ran.stderr).toContain(says);
      const json = await fleet.run([...words, "--json"], one);
      expect(json.code).toBe(code);
      expect(JSON.parse(json.stderr)).toMatchObject({ schema: "fleetd.error/1", exit: code });
    }, 60_000);
  }

  test("a file that holds no key", async () => {
    const file = join(fleet.git.folder, "no-key");
    writeFileSync(file, "hello\n");
    expect(await fleet.run(["trust", "add", "code2", "--file", file], one)).toMatchObject({ code: 65 });
  }, 60_000);
});

describe("fleetd trust revoke and add", () => {
  test("take a server out and back; what it said before stays, what it said meanwhile is history", async () => {
    await fleet.text(["send", "before", "--to", "code1"], two);
    await fleet.text(["inbox"], one);
    const dry = await fleet.json(["trust", "revoke", "code2", "--dry-run"], one);
    expect(dry).toMatchObject({ schema: "fleetd.trust.revoke/1", trust: "first-sight", dry_run: true });
    const revoked = await fleet.json(["trust", "revoke", "code2", "--yes"], one);
    expect(revoked).toMatchObject({ trust: "revoked", dry_run: false });
    expect(await fleet.text(["trust", "revoke", "code2", "--yes"], one)).toContain("revoked before");
    await fleet.text(["send", "meanwhile", "--to", "code1"], two);
    expect(await fleet.text(["inbox"], one)).not.toContain("meanwhile");
    expect(await fleet.text(["inbox"], one)).toContain("before");
    expect(await fleet.text(["servers"], one)).toContain("revoked");
    const hint = '"code2" was revoked here: nothing that it answers is taken\n  hint: fleetd trust add code2';
    const monitor = await fleet.monitor("code1");
    for (const wait of ["queued", "pushed"]) {
      const sent = await fleet.run(["send", "hello?", "--to", "code2", "--wait", wait], one);
      expect([sent.code, sent.stderr]).toEqual([0, expect.stringContaining(hint)]);
    }
    await monitor.stop();
    expect(await fleet.text(["status"], one)).toContain("revoked");

    // One was accepted before and is unread, one came meanwhile: both are history, and the first is told.
    const planned = await fleet.run(["trust", "add", "code2", "--dry-run"], one);
    expect(planned.stdout).toContain("Would make history: 1 unread message of code2");
    const added = await fleet.json(["trust", "add", "code2", "--file", keyFile("code2")], one);
    expect(added).toMatchObject({ schema: "fleetd.trust.add/1", trust: "added", previous: null });
    expect(added).toMatchObject({ unread_to_history: 1, dry_run: false });
    expect(await fleet.json(["trust", "add", "code2"], one)).toMatchObject({ unread_to_history: 0 });
    const { messages } = await fleet.json(["inbox"], one);
    expect((messages as { body: string; history: boolean }[]).map(({ body }) => body).sort()).toEqual([
      "before",
      "meanwhile",
    ]);
    await fleet.text(["send", "later", "--to", "code1"], two);
    expect(await fleet.text(["inbox", "--unread"], one)).toContain("later");
  }, 60_000);

  test("pins a key in advance, whole in two words, and a dry run changes nothing", async () => {
    const [type = "", base64 = ""] = readFileSync(keyFile("code2"), "utf8").split(" ");
    const dry = await fleet.json(["trust", "add", "build7", type, base64, "--dry-run"], one);
    expect(dry).toMatchObject({ dry_run: true });
    expect((await list(one)).map(({ server }) => server)).not.toContain("build7");
    await fleet.text(["trust", "add", "build7", type, base64], one);
    expect(await entry(one, "build7")).toMatchObject({ trust: "added", public_key: `${type} ${base64}` });
  }, 60_000);
});

describe("trust: pinned", () => {
  test("shows who waits with what to type, takes listed keys, and refuses others with an alarm", async () => {
    const config = join(fleet.git.folder, "pinned.yaml");
    const { fingerprint } = await entry(three, "code2");
    writeFileSync(
      config,
      `trust:\n  mode: pinned\n  keys:\n    code2: ${fingerprint}\n    code1: ${OTHER}\n`,
    );
    const with3 = { ...three, env: { FLEETD_CONFIG: config } };
    const rows = async () => (await fleet.json(["trust", "list"], with3))["servers"] as Entry[];
    expect((await rows()).map(({ server, trust }) => [server, trust])).toEqual([
      ["code3", "own"],
      ["code1", "other-key"],
      ["code2", "listed"],
    ]);
    await fleet.run(["inbox"], with3);
    const found = await fleet.run(["doctor", "--json"], with3);
    expect(found.stdout).toContain("alarm-other-key");
    const shown = (await rows())[1]?.fingerprint ?? "?";
    const advice = `change trust.keys.code1 in the configuration to ${shown}`;
    for (const text of [found.stdout, (await fleet.run(["trust", "list"], with3)).stdout])
      expect(text.replaceAll(/\s+/g, " ")).toContain(advice);
    writeFileSync(config, `trust: pinned\n`);
    const [, first] = await rows();
    expect(first).toMatchObject({ server: "code1", trust: "waiting" });
    expect(first?.advice).toBe(`fleetd trust add code1 ${first?.fingerprint}`);
    for (const command of ["status", "doctor"]) {
      expect((await fleet.run([command], with3)).stdout).toContain(first?.advice ?? "?");
    }
    const sent = await fleet.run(["send", "hello?", "--to", "code1,nobody"], with3);
    expect(sent.code).toBe(0);
    expect(sent.stderr).toContain('"code1" waits to be trusted here: nothing that it answers is taken');
    expect(sent.stderr).toContain(`hint: ${first?.advice}`);
    expect(sent.stderr.match(/is known here yet/g)).toHaveLength(1);
    // A command without that configuration does not open the door again.
    expect((await entry(three, "code1")).trust).toBe("waiting");
    await fleet.text((first?.advice ?? "").split(" ").slice(1), with3);
    expect((await rows())[1]).toMatchObject({ server: "code1", trust: "added" });
  }, 60_000);
});

describe("fleetd trust rotate", () => {
  test("changes the key, which its readers follow; keys of before are listed", async () => {
    const before = await entry(two, "code2");
    expect(await fleet.json(["trust", "rotate", "--dry-run"], two)).toMatchObject({
      schema: "fleetd.trust.rotate/1",
      previous: before.fingerprint,
      dry_run: true,
    });
    const rotated = await fleet.json(["trust", "rotate", "--yes"], two);
    expect(rotated).toMatchObject({ previous: before.fingerprint, pushed: true, dry_run: false });
    expect(rotated["fingerprint"]).toBe(sshFingerprint("code2") ?? rotated["fingerprint"]);
    const after = await entry(one, "code2");
    expect(after.fingerprint).toBe(rotated["fingerprint"] as string);
    expect(after.former.map(({ how, fingerprint }) => [how, fingerprint])).toEqual([
      ["rotated", before.fingerprint],
    ]);
    expect(await fleet.text(["trust", "list"], one)).toContain("rotated until");
    expect(await fleet.text(["send", "by the new key", "--to", "code1"], two)).toContain("Pushed");
    expect(await fleet.text(["inbox"], one)).toContain("by the new key");
  }, 60_000);

  test("without the remote it is done here, ends with 75, and goes with the next push", async () => {
    const { remote } = { remote: join(fleet.root, "remote.git") };
    const away = `${remote}.away`;
    Bun.spawnSync(["mv", remote, away]);
    const ran = await fleet.run(["trust", "rotate", "--yes"], two);
    expect([ran.code, ran.stdout]).toEqual([75, expect.stringContaining("It is changed here")]);
    expect(ran.stdout).toContain("has not confirmed it yet");
    for (const how of ["--yes", "--dry-run"]) {
      const again = await fleet.run(["trust", "rotate", how], two);
      expect([again.code, again.stderr]).toEqual([75, expect.stringContaining("is not on the remote yet")]);
    }
    const dry = await fleet.json(["trust", "rotate", "--dry-run"], one, 75);
    expect(dry).toMatchObject({ changed: false, dry_run: true });
    Bun.spawnSync(["mv", away, remote]);
    await fleet.text(["send", "and on", "--to", "code1"], two);
    expect(await fleet.text(["inbox"], one)).toContain("and on");
    expect((await entry(one, "code2")).former).toHaveLength(2);
  }, 60_000);

  test("where the remote takes no push, it is done here and says so in JSON", async () => {
    const hook = join(fleet.root, "remote.git/hooks/pre-receive");
    mkdirSync(join(hook, ".."), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const rotated = await fleet.json(["trust", "rotate", "--yes"], three, 75);
    expect(rotated).toMatchObject({ changed: true, pushed: false, dry_run: false });
    expect(rotated["reason"]).toMatch(/^refused: /);
    rmSync(hook);
    await fleet.text(["queue", "retry", "--all"], three);
    expect((await entry(one, "code3")).fingerprint).toBe(rotated["fingerprint"] as string);
  }, 60_000);

  test("a copy whose log went on elsewhere changes nothing, and says why: 77", async () => {
    const copy = join(fleet.git.folder, "copy");
    cpSync(join(fleet.root, "code3"), join(copy, "code3"), { recursive: true });
    await fleet.text(["send", "from the one that goes on", "--to", "code1"], three);
    const old = { ...three, env: { FLEETD_HOME: copy } };
    const { fingerprint } = await entry(old, "code3");
    for (const how of ["--dry-run", "--yes"]) {
      const ran = await fleet.run(["trust", "rotate", how], old);
      expect([ran.code, ran.stdout]).toEqual([77, ""]);
      expect(ran.stderr).toMatch(/Cannot change the key of "code3": .* another machine uses this id/);
    }
    expect(await entry(old, "code3")).toMatchObject({ fingerprint });
    expect((await fleet.json(["queue", "list"], old))["entries"]).toEqual([]);
    // Also where that is known and the remote is not asked.
    await fleet.run(["send", "held", "--to", "code1"], old);
    expect(await fleet.run(["trust", "rotate", "--yes"], old)).toMatchObject({ code: 77 });
    expect(await entry(old, "code3")).toMatchObject({ fingerprint });
  }, 60_000);
});
