// Every trouble that `fleetd doctor` knows is made for real, shown with its evidence, and mended where it can be.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/platform/paths.ts";
import { tryLock } from "../../src/platform/process-lock.ts";
import { openDatabase } from "../../src/platform/sqlite-database.ts";
import { type Running, TempFleet } from "../helpers/temp-fleet.ts";

const TIMEOUT_MS = 60_000;
const isPosix = process.platform !== "win32";

const fleet = new TempFleet();
const one = { as: "code1" };
const paths = serverPaths(fleet.root, "code1");
const remote = join(fleet.root, "remote.git");
let count = 0;

interface Found {
  readonly id: string;
  readonly verdict: string;
  readonly evidence: string;
  readonly fix: string | null;
}
interface Examined {
  readonly code: number;
  readonly findings: readonly Found[];
  readonly treatments: readonly { id: string; outcome: string; detail: string | null }[];
}

beforeAll(async () => {
  await fleet.init(["code1", "code2"]);
  await fleet.text(["inbox"], one);
}, TIMEOUT_MS);
afterAll(() => fleet.remove(), TIMEOUT_MS);

async function examine(
  words: readonly string[] = [],
  options: Parameters<TempFleet["run"]>[1] = one,
): Promise<Examined> {
  const ran = await fleet.run(["doctor", "--json", ...words], options);
  if (ran.stdout === "") throw new Error(`doctor said nothing: ${ran.stderr}`);
  return { code: ran.code, ...(JSON.parse(ran.stdout) as Omit<Examined, "code">) };
}

const problems = ({ findings }: Examined): Found[] => findings.filter(({ verdict }) => verdict !== "ok");
const idsOf = (examined: Examined): string[] => problems(examined).map(({ id }) => id);

/** What is found of one id, which must be there. */
function findingOf(examined: Examined, id: string): Found {
  const found = problems(examined).find((finding) => finding.id === id);
  if (found === undefined)
    throw new Error(`"${id}" was not found among ${JSON.stringify(problems(examined))}`);
  return found;
}

/** A file that was last changed long ago. */
function oldFile(path: string): string {
  writeFileSync(path, "");
  const longAgo = new Date(Date.now() - 3_600_000);
  utimesSync(path, longAgo, longAgo);
  return path;
}

/** A loose object that a ref needs: an old card that nothing names any more may go without a loss. */
function looseObject(folder: string): string {
  const needed = fleet.git.git(folder, "rev-list", "--objects", "--all").split("\n");
  const paths = needed.map((line) => join(folder, "objects", line.slice(0, 2), line.slice(2, 40)));
  const path = paths.find((one) => existsSync(one));
  if (path === undefined) throw new Error("no loose object that a ref needs");
  return path;
}

test("a server without a monitor has one problem, and everything else was examined", async () => {
  const examined = await examine();
  expect(idsOf(examined)).toEqual(["monitor"]);
  expect(examined.code).toBe(1);
  expect(examined.findings.length).toBeGreaterThan(15);
  expect(examined.findings.every((found) => (found.fix === null) === (found.verdict === "ok"))).toBe(true);
});

interface Trouble {
  readonly id: string;
  readonly make: () => void;
  readonly evidence: RegExp;
  readonly needsYes?: boolean;
  readonly isMended?: () => boolean;
}

const TROUBLES: readonly Trouble[] = [
  {
    id: "folder-mode",
    make: () => chmodSync(paths.folder, 0o755),
    evidence: /has mode 0755, it should be 0700/,
    isMended: () => (statSync(paths.folder).mode & 0o777) === 0o700,
  },
  {
    id: "key-mode",
    make: () => chmodSync(paths.key, 0o644),
    evidence: /key has mode 0644, it should be 0600/,
    isMended: () => (statSync(paths.key).mode & 0o777) === 0o600,
  },
  {
    id: "key-pub",
    make: () => rmSync(`${paths.key}.pub`),
    evidence: /key\.pub is missing/,
    isMended: () => readFileSync(`${paths.key}.pub`, "utf8").startsWith("ssh-ed25519 "),
  },
  {
    id: "leftovers",
    make: () => {
      mkdirSync(join(fleet.root, ".new-code9-4194300"));
      writeFileSync(join(paths.folder, "key.pub.4194300.new"), "");
    },
    evidence: /killed: .*\.new-code9-4194300.*key\.pub\.4194300\.new/,
    isMended: () => !existsSync(join(fleet.root, ".new-code9-4194300")),
  },
  {
    id: "index",
    make: () => writeFileSync(paths.index, "no database, and long enough to be looked at as one"),
    evidence: /index\.db is damaged: file is not a database/,
  },
  {
    id: "store-locks",
    make: () => void oldFile(join(paths.store, "packed-refs.lock")),
    evidence: /packed-refs\.lock was left by a git that was killed/,
    isMended: () => !existsSync(join(paths.store, "packed-refs.lock")),
  },
  {
    id: "remote-locks",
    make: () => void oldFile(join(remote, "refs/fleet/log/code1.lock")),
    evidence: /refs\/fleet\/log\/code1\.lock was left by a push that was killed/,
    isMended: () => !existsSync(join(remote, "refs/fleet/log/code1.lock")),
  },
  {
    id: "objects",
    make: () => {
      const path = looseObject(paths.store);
      chmodSync(path, 0o600);
      writeFileSync(path, "damaged");
    },
    evidence: /objects in the store are missing or damaged: .*error: inflate/,
    needsYes: true,
  },
  {
    id: "objects",
    make: () => rmSync(looseObject(paths.store)),
    evidence: /missing or damaged: .*(?:missing|invalid sha1 pointer)/,
    needsYes: true,
  },
  {
    id: "store",
    make: () => rmSync(join(paths.store, "HEAD")),
    evidence: /the store cannot be used: .* is no git repository/,
    needsYes: true,
  },
];

describe.if(isPosix)("what can be mended", () => {
  for (const { id, make, evidence, needsYes, isMended } of TROUBLES) {
    count += 1;
    test(
      `${count}. ${id}: shown with evidence, left alone by --dry-run, mended once`,
      async () => {
        make();
        const shown = await examine();
        expect(findingOf(shown, id).evidence).toMatch(evidence);
        expect(findingOf(shown, id).fix).toBe(needsYes ? "fleetd doctor --fix --yes" : "fleetd doctor --fix");
        const dry = await examine(["--fix", "--yes", "--dry-run"]);
        expect(dry.treatments.map((one) => [one.id, one.outcome])).toEqual([[id, "would-do"]]);
        if (needsYes) {
          const careful = await examine(["--fix"]);
          expect(careful.treatments).toMatchObject([{ id, outcome: "needs-yes" }]);
          expect(idsOf(careful)).toContain(id);
        }
        const mended = await examine(["--fix", ...(needsYes ? ["--yes"] : [])]);
        expect(mended.treatments).toMatchObject([{ id, outcome: "done" }]);
        expect(idsOf(mended)).toEqual(["monitor"]);
        expect(isMended?.() ?? true).toBe(true);
        expect(idsOf(await examine())).toEqual(["monitor"]);
        const sent = await fleet.json(["send", `after ${id}`, "--to", "code2"], one);
        expect(sent["state"]).toBe("pushed");
      },
      TIMEOUT_MS,
    );
  }

  test(
    "store and breakers are left alone while a monitor that does not answer may have them open",
    async () => {
      const breakers = join(paths.folder, "breakers.db");
      const kept = existsSync(breakers) ? readFileSync(breakers) : null;
      writeFileSync(breakers, "no database, and long enough to be looked at as one");
      renameSync(join(paths.store, "HEAD"), join(paths.store, "HEAD.away"));
      const lock = tryLock(paths.daemonLock);
      const examined = await examine(["--fix", "--yes"]);
      lock?.release();
      const outcomes = Object.fromEntries(examined.treatments.map((one) => [one.id, one.outcome]));
      expect(outcomes).toMatchObject({ store: "failed", breakers: "failed" });
      expect(existsSync(breakers)).toBe(true);
      renameSync(join(paths.store, "HEAD.away"), join(paths.store, "HEAD"));
      if (kept === null) rmSync(breakers);
      else writeFileSync(breakers, kept);
      expect(idsOf(await examine())).toEqual(["monitor"]);
    },
    TIMEOUT_MS,
  );

  test(
    "socket: one that a killed monitor left is removed, and not while a monitor runs",
    async () => {
      const monitor: Running = await fleet.monitor("code1");
      expect(idsOf(await examine())).toEqual([]);
      await monitor.stop("SIGKILL");
      expect(existsSync(paths.socket)).toBe(true);
      expect(findingOf(await examine(), "socket").evidence).toContain(
        "was left by a monitor that was killed",
      );
      const mended = await examine(["--fix"]);
      expect(idsOf(mended)).toEqual(["monitor"]);
      expect(existsSync(paths.socket)).toBe(false);
    },
    TIMEOUT_MS,
  );
});

const OTHER_FLEET = "01a2022e-dcc4-775d-ab39-b7db81549363";

describe("what somebody has to see to", () => {
  /** Makes a trouble, looks, and takes it back whatever happens. */
  async function during(
    make: () => () => void,
    options?: Parameters<TempFleet["run"]>[1],
  ): Promise<Examined> {
    const undo = make();
    try {
      return await examine([], options);
    } finally {
      undo();
    }
  }
  const moved = (path: string) => (): (() => void) => {
    renameSync(path, `${path}.away`);
    return () => {
      rmSync(path, { recursive: true, force: true });
      renameSync(`${path}.away`, path);
    };
  };

  test.each<[string, () => () => void, RegExp, RegExp]>([
    ["remote", moved(remote), /remote\.git: unreachable: /, /git ls-remote/],
    ["key", moved(paths.key), /private key .* is missing/, /from a backup/],
    [
      "key",
      () => {
        const undo = moved(paths.key)();
        writeFileSync(paths.key, "no key", { mode: 0o600 });
        return undo;
      },
      /need a PKCS8 Ed25519 key/,
      /from a backup/,
    ],
    [
      "remote-fleet",
      () => {
        const undo = moved(remote)();
        fleet.git.git(fleet.git.folder, "init", "-q", "--bare", remote);
        return undo;
      },
      /refs\/fleet\/meta is not on the remote/,
      /Put the fleet's repository back/,
    ],
    [
      "remote-fleet",
      () => {
        const undo = moved(remote)();
        fleet.git.git(fleet.git.folder, "init", "-q", "--bare", remote);
        const meta = JSON.stringify({ v: 1, format: 1, fleet: OTHER_FLEET, namespace: "refs/fleet/" });
        writeFileSync(join(remote, "meta.json"), meta);
        const blob = fleet.git.git(remote, "hash-object", "-w", "meta.json");
        fleet.git.git(remote, "update-index", "--add", "--cacheinfo", `100644,${blob},meta.json`);
        const commit = fleet.git.git(remote, "commit-tree", "-m", "x", fleet.git.git(remote, "write-tree"));
        fleet.git.git(remote, "update-ref", "refs/fleet/meta", commit);
        // A monitor that looks at this remote fetches the `meta` of the other fleet over its own.
        const store = join(paths.folder, "fleet.git");
        fleet.git.git(store, "fetch", "-q", remote, "+refs/fleet/meta:refs/fleet/meta");
        return undo;
      },
      new RegExp(`another fleet is on the remote: refs/fleet/meta is of ${OTHER_FLEET}, not of `),
      /Put the fleet's repository back/,
    ],
  ])("%s", async (id, make, evidence, fix) => {
    const found = findingOf(await during(make), id);
    expect(found.verdict).toBe("critical");
    expect(found.evidence).toMatch(evidence);
    expect(found.fix).toMatch(fix);
  });

  test("own-ref: what a stranger put in its place is told, and is nothing to despair of", async () => {
    const found = findingOf(
      await during(() => {
        const tip = fleet.git.git(remote, "rev-parse", "refs/fleet/log/code1");
        const other = fleet.git.git(remote, "rev-parse", "refs/fleet/log/code2");
        fleet.git.git(remote, "update-ref", "refs/fleet/log/code1", other);
        return () => fleet.git.git(remote, "update-ref", "refs/fleet/log/code1", tip);
      }),
      "own-ref",
    );
    expect(found).toMatchObject({
      verdict: "warn",
      evidence: expect.stringMatching(
        /which this server did not sign, stands in the place of refs\/fleet\/log\/code1/,
      ),
      fix: expect.stringContaining("nothing is lost"),
    });
  });

  test("own-conflict: who else wanted the id is named, and the note is removed only with --yes", async () => {
    const fingerprint = "ab".repeat(32);
    const ref = `refs/fleet/conflict/code1/${fingerprint}`;
    const tip = fleet.git.git(remote, "rev-parse", "refs/fleet/log/code2");
    fleet.git.git(remote, "update-ref", ref, tip);
    expect(findingOf(await examine(), "own-conflict")).toMatchObject({
      verdict: "warn",
      evidence: expect.stringContaining("SHA256:q6urq6urq6ur"),
      mend: `remove ${ref}`,
    });
    await examine(["--fix"]);
    expect(fleet.git.git(remote, "for-each-ref", "--format=%(refname)", ref)).toBe(ref);
    await examine(["--fix", "--yes"]);
    expect(fleet.git.git(remote, "for-each-ref", "--format=%(refname)", ref)).toBe("");
  });

  test("state: damaged bytes are told, and the rest is still examined", async () => {
    for (const suffix of ["-wal", "-shm"]) rmSync(paths.state + suffix, { force: true });
    const bytes = readFileSync(paths.state);
    writeFileSync(paths.state, "damaged ".repeat(100));
    const examined = await examine();
    const refused = await fleet.run(["inbox"], one);
    writeFileSync(paths.state, bytes);
    for (const suffix of ["-wal", "-shm"]) rmSync(paths.state + suffix, { force: true });
    expect(findingOf(examined, "state")).toMatchObject({
      verdict: "critical",
      fix: "fleetd doctor --fix --yes",
    });
    expect(examined.code).toBe(2);
    expect(examined.findings.some(({ id, verdict }) => id === "git" && verdict === "ok")).toBe(true);
    expect(refused.code).toBe(74);
    expect(refused.stderr).toContain(`Cannot use database "${paths.state}"`);
    expect(refused.stderr).toContain("fleetd doctor --fix --yes");
    expect(idsOf(await examine())).toEqual(["monitor"]);
  });

  test("state: an emptied one is salvaged when asked for, from the key, the remote and the logs of others", async () => {
    for (const suffix of ["-wal", "-shm"]) rmSync(paths.state + suffix, { force: true });
    const before = await fleet.json(["sent", "--limit", "100"], one);
    writeFileSync(paths.state, "");
    expect(await fleet.run(["send", "x", "--to", "code2"], one)).toMatchObject({ code: 74 });
    expect(existsSync(paths.key)).toBe(true);
    expect((await examine(["--fix"])).treatments).toMatchObject([{ id: "state", outcome: "needs-yes" }]);
    const [treated] = (await examine(["--fix", "--yes"])).treatments;
    expect(treated).toMatchObject({ id: "state", outcome: "done" });
    expect(treated?.detail).toMatch(
      /own entries taken from the remote.*nobody can say how many.*new epoch.*the damaged file is kept: .*state\.db\.damaged-/s,
    );
    const after = await fleet.json(["sent", "--limit", "100"], one);
    const idsIn = (answer: Record<string, unknown>): string[] =>
      (answer["messages"] as { id: string }[]).map(({ id }) => id).sort();
    expect(idsIn(after)).toEqual(idsIn(before));
    expect(await fleet.json(["send", "after the salvage", "--to", "code2"], one)).toMatchObject({
      state: "pushed",
    });
    expect(await fleet.text(["inbox"], { as: "code2" })).toContain("after the salvage");
  });

  test("configuration: the line of a wrong key, and everything else is examined all the same", async () => {
    const file = fleet.git.path("fleetd.yaml");
    writeFileSync(file, "interval: 10s\ninterwal: 5s\n");
    const examined = await examine(["--config", file]);
    expect(findingOf(examined, "configuration").evidence).toMatch(/line 2\b.*interwal|interwal.*line 2\b/s);
    expect(examined.findings.some(({ id }) => id === "own-ref")).toBe(true);
  });

  test("refused: what the remote refuses and is tried again is one finding with the remote's reason", async () => {
    for (const body of ["one", "two"]) {
      await fleet.json(["send", body, "--to", "code2", "--wait", "queued"], one);
    }
    const state = openDatabase(paths.state, { create: false, durability: "full" });
    state.run("UPDATE outbox SET refused = 1, reason = 'hook declined' WHERE state = 'queued'");
    const examined = await examine();
    state.run("DELETE FROM outbox WHERE state = 'queued'");
    state.close();
    expect(examined.code).toBe(1);
    expect(findingOf(examined, "refused").evidence).toBe(
      "2 entries wait that the remote refused: hook declined",
    );
  });

  test("refused: a dead message is named by id with its reason, and never by its subject", async () => {
    await fleet.json(["send", "secret body", "secret subject", "--to", "code2", "--wait", "queued"], one);
    const state = openDatabase(paths.state, { create: false, durability: "full" });
    state.run(
      "UPDATE outbox SET state = 'dead', refused = 5, reason = 'hook declined' WHERE state = 'queued'",
    );
    const examined = await examine();
    state.run("DELETE FROM outbox WHERE state = 'dead'");
    state.close();
    const found = findingOf(examined, "refused");
    expect(found.evidence).toMatch(
      /^message [0-9a-f]{8} to code2 was refused 5 times and is dead: hook declined$/,
    );
    expect(found.fix).toMatch(/^fleetd queue retry [0-9a-f]{8}, or fleetd queue drop/);
    expect(JSON.stringify(examined)).not.toContain("secret");
  });

  test("without a server: says so, and examines git, disk and memory", async () => {
    const env = { FLEETD_HOME: join(fleet.git.folder, "nobody") };
    const examined = await examine([], { env });
    expect(examined.code).toBe(1);
    expect(findingOf(examined, "server").fix).toContain("fleetd init");
    expect(examined.findings.map(({ id }) => id)).toEqual([
      "configuration",
      "server",
      "git",
      "disk",
      "memory",
    ]);
  });

  test("git: none on the PATH is critical", async () => {
    const examined = await examine([], { ...one, env: { PATH: fleet.git.folder } });
    expect(findingOf(examined, "git")).toMatchObject({
      verdict: "critical",
      fix: "Install git 2.25 or newer",
    });
    expect(examined.code).toBe(2);
  });
});

test("--yes without --fix is refused", async () => {
  expect(await fleet.run(["doctor", "--yes"], one)).toMatchObject({ code: 64 });
});
