// A server whose state.db is gone, damaged or not to be read: what its operator decided, what is told, what is done.
import { Database as Sqlite } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/platform/paths.ts";
import { FLEETD, TempFleet } from "../helpers/temp-fleet.ts";

const TIMEOUT_MS = 60_000;

const fleet = new TempFleet();
const one = { as: "code1" };
const paths = serverPaths(fleet.root, "code1");
const kept = `${fleet.git.folder}/kept`;

beforeAll(async () => {
  await fleet.init(["code1", "code2", "code3"]);
  await fleet.text(["inbox"], one);
  await fleet.text(["trust", "revoke", "code2", "--yes"], one);
  await fleet.text(["servers", "forget", "code3"], one);
  // Brings a card to the remote that says who is left out.
  await fleet.text(["send", "hello", "--to", "code2"], one);
  cpSync(fleet.root, kept, { recursive: true });
}, TIMEOUT_MS);
afterAll(() => fleet.remove(), TIMEOUT_MS);

interface Problem {
  readonly id: string;
  readonly verdict: string;
  readonly evidence: string;
  readonly fix: string | null;
}
interface Examined {
  readonly code: number;
  readonly problems: readonly Problem[];
  readonly treatments: readonly { id: string; outcome: string; detail: string | null }[];
}

/** Puts all servers back as they were. */
function restore(): void {
  rmSync(fleet.root, { recursive: true, force: true });
  cpSync(kept, fleet.root, { recursive: true });
}

async function examine(words: readonly string[] = [], options: object = one): Promise<Examined> {
  const ran = await fleet.run(["doctor", "--json", ...words], options);
  if (ran.stdout === "") throw new Error(`doctor said nothing: ${ran.stderr}`);
  const { findings, treatments } = JSON.parse(ran.stdout) as {
    findings: Problem[];
    treatments: Examined["treatments"];
  };
  return { code: ran.code, problems: findings.filter(({ verdict }) => verdict !== "ok"), treatments };
}

const idsOf = ({ problems }: Examined): string[] => problems.map(({ id }) => id);

async function statusProblem(id: string): Promise<Record<string, unknown> | undefined> {
  const { problems } = (await fleet.json(["status"], one)) as { problems: Record<string, unknown>[] };
  return problems.find((problem) => problem["id"] === id);
}

async function howTrusted(server: string): Promise<unknown> {
  const { servers } = (await fleet.json(["trust", "list"], one)) as { servers: Record<string, unknown>[] };
  return servers.find((row) => row["server"] === server)?.["trust"];
}

const isForgotten = async (server: string): Promise<boolean> =>
  (await fleet.text(["servers"], one))
    .split("\n")
    .some((line) => new RegExp(`${server}.*forgotten`).test(line));

const LOST = /revoked.*could not be read and may be lost; answers and handlers are paused/;

/** Writes over the first page of the tree of a table. */
function damageTable(table: string): void {
  const sqlite = new Sqlite(paths.state);
  const sql = "SELECT rootpage FROM sqlite_master WHERE name = ?";
  const root = sqlite.query<{ rootpage: number }, [string]>(sql).get(table)?.rootpage ?? 0;
  sqlite.close();
  const bytes = readFileSync(paths.state);
  bytes.fill(0xff, (root - 1) * 4096, root * 4096);
  writeFileSync(paths.state, bytes);
}

describe("what an operator decided", () => {
  test.each<[string, () => void]>([
    ["of zeros", () => writeFileSync(paths.state, new Uint8Array(100_000))],
    ["that was emptied", () => writeFileSync(paths.state, "")],
    ["without its rows of trust", () => damageTable("trust")],
  ])(
    "and is gone with a state %s: all that is automatic stays paused and told until it is resumed",
    async (_, make) => {
      restore();
      make();
      const mended = await examine(["--fix", "--yes"]);
      const said = mended.treatments.find(({ id }) => id === "state");
      expect(said?.outcome).toBe("done");
      expect(said?.detail).toMatch(LOST);
      expect(said?.detail).toContain("fleetd trust list, then: fleetd resume auto");
      expect(await statusProblem("pause")).toMatchObject({
        verdict: "warn",
        text: expect.stringMatching(LOST),
        fix: "fleetd trust list, then: fleetd resume auto",
      });
      expect((await examine()).problems.find(({ id }) => id === "decisions")).toMatchObject({
        verdict: "warn",
        evidence: expect.stringMatching(LOST),
      });
      // One repair is enough: the index is there with it.
      expect(idsOf(mended).sort()).toEqual(["decisions", "monitor"]);
      // The card on the remote still said who was left out.
      expect(await isForgotten("code3")).toBe(true);
      expect(await fleet.json(["resume", "auto"], one)).toMatchObject({ was_paused: true });
      expect(await statusProblem("pause")).toBeUndefined();
      expect(idsOf(await examine())).not.toContain("decisions");
    },
    TIMEOUT_MS,
  );

  test(
    "survives where its rows can be read, and nothing is paused by that",
    async () => {
      restore();
      damageTable("outbox");
      const mended = await examine(["--fix", "--yes"]);
      expect(mended.treatments.find(({ id }) => id === "state")).toMatchObject({ outcome: "done" });
      expect(idsOf(mended)).toEqual(["monitor"]);
      expect(await statusProblem("pause")).toBeUndefined();
      expect(await howTrusted("code2")).toBe("revoked");
      expect(await isForgotten("code3")).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "as a pause survives as what it was",
    async () => {
      restore();
      await fleet.text(["pause", "auto"], one);
      damageTable("outbox");
      await examine(["--fix", "--yes"]);
      expect(await statusProblem("pause")).toMatchObject({ text: "everything automatic is paused" });
    },
    TIMEOUT_MS,
  );

  test(
    "in the configuration holds again where the state does not know it any more: nobody is taken on first sight",
    async () => {
      restore();
      writeFileSync(paths.state, "");
      const config = join(fleet.git.folder, "pinned.yaml");
      writeFileSync(config, "trust: pinned\n");
      await examine(["--fix", "--yes", "--config", config]);
      expect(await howTrusted("code2")).toBe("waiting");
    },
    TIMEOUT_MS,
  );
});

const SUFFIXES = ["", "-wal", "-shm"];

describe("a server without its state.db", () => {
  /** The servers of the other two put aside, so that only this one could be meant. */
  function loseState(): void {
    restore();
    for (const suffix of SUFFIXES) rmSync(paths.state + suffix, { force: true });
    for (const other of ["code2", "code3"]) rmSync(join(fleet.root, other), { recursive: true });
  }

  test(
    "is damaged, whether it is named or not: every command says so, and none makes another server or fleet of it",
    async () => {
      loseState();
      for (const options of [one, {}]) {
        const status = await fleet.json(["status", "--check"], options, 2);
        expect((status["problems"] as Record<string, unknown>[])[0]).toMatchObject({
          id: "state",
          verdict: "critical",
          text: expect.stringMatching(/state\.db": it is missing/),
          fix: "fleetd doctor",
        });
        for (const words of [["send", "x", "--to", "code2"], ["inbox"], ["monitor"]]) {
          const ran = await fleet.run(words, options);
          expect(ran.code).toBe(74);
          expect(ran.stderr).toMatch(/state\.db": it is missing\n.*fleetd doctor --fix --yes/);
        }
      }
      const made = await fleet.run(["init", "--server", "code1"]);
      expect(made).toMatchObject({ code: 74, stderr: expect.stringContaining("it is missing") });
    },
    TIMEOUT_MS,
  );

  test(
    "is critical to the doctor, who makes it anew of what the remote has, as of an empty one",
    async () => {
      loseState();
      const found = await examine([], {});
      expect(found.code).toBe(2);
      expect(found.problems.find(({ id }) => id === "state")).toMatchObject({
        verdict: "critical",
        evidence: `${paths.state} is missing`,
        fix: "fleetd doctor --fix --yes",
      });
      const mended = await examine(["--fix", "--yes"], {});
      const said = mended.treatments.find(({ id }) => id === "state");
      expect(said?.outcome).toBe("done");
      expect(said?.detail).not.toContain("damaged");
      expect(idsOf(mended)).toContain("decisions");
      expect(await fleet.json(["sent"], one)).toMatchObject({ messages: [{ subject: "hello" }] });
      expect(await fleet.json(["send", "after", "--to", "code2"], one)).toMatchObject({ state: "pushed" });
    },
    TIMEOUT_MS,
  );

  test("and without identity.json cannot be made anew, and says what is needed", async () => {
    loseState();
    rmSync(join(paths.folder, "identity.json"));
    const mended = await examine(["--fix", "--yes"], {});
    expect(mended.code).toBe(2);
    expect(mended.treatments.find(({ id }) => id === "state")).toMatchObject({
      outcome: "failed",
      detail: expect.stringContaining("on which remote its fleet is"),
    });
  });
});

test(
  "status mends a store that is gone, and judges it as it is then",
  async () => {
    restore();
    rmSync(paths.store, { recursive: true });
    const ran = await fleet.run(["status", "--check", "--json"], one);
    expect(ran.stderr).toContain("the store was missing and was fetched again");
    const { problems } = JSON.parse(ran.stdout) as { problems: { id: string }[] };
    expect(problems.map(({ id }) => id)).not.toContain("store");
    expect(ran.code).toBe(1);
  },
  TIMEOUT_MS,
);

describe("a server without its private key", () => {
  test.each<[string, () => void, string]>([
    ["because it is missing", () => rmSync(paths.key), "it is missing"],
    ["because it is none", () => writeFileSync(paths.key, "bm8ga2V5"), "it is no PKCS8 Ed25519 key"],
    [
      "because a folder is in its place",
      () => {
        rmSync(paths.key);
        mkdirSync(paths.key);
      },
      "it is a folder",
    ],
  ])(
    "%s is critical to status and health, and no command speaks in the words of the system",
    async (_, make, problem) => {
      restore();
      make();
      const evidence = `the private key ${paths.key} cannot be used, so nothing can be sent: ${problem}`;
      const status = await fleet.json(["status", "--check"], one, 2);
      expect((status["problems"] as unknown[])[0]).toMatchObject({ id: "key", text: evidence });
      const health = await fleet.json(["health"], one, 2);
      const checks = health["checks"] as { id: string }[];
      expect(checks.find(({ id }) => id === "key")).toMatchObject({ verdict: "critical", evidence });
      const sent = await fleet.run(["send", "x", "--to", "code2"], one);
      expect(sent.code).toBe(78);
      expect(sent.stderr).toContain(`Cannot use key "${paths.key}": `);
      expect(sent.stderr).not.toMatch(/ENOENT|EISDIR/);
      const key = (await examine()).problems.filter(({ id }) => id === "key");
      expect(key).toMatchObject([{ verdict: "critical" }]);
    },
    TIMEOUT_MS,
  );
});

const canDropRights = process.getuid?.() === 0 && Bun.which("setpriv") !== null;
if (!canDropRights)
  console.log("skipped: state that may not be read or written: only root with setpriv can try");

/** Runs fleetd as somebody who has no rights of their own. */
async function runAsNobody(
  words: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  for (const path of [fleet.git.folder, fleet.git.home]) chmodSync(path, 0o755);
  const rights = ["--reuid=65534", "--regid=65534", "--clear-groups"];
  const child = Bun.spawn(["setpriv", ...rights, FLEETD, ...words], {
    cwd: "/",
    env: fleet.environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

describe.skipIf(!canDropRights)("a state root of somebody else", () => {
  test(
    "is not taken for an empty one: permission denied, and critical to the doctor",
    async () => {
      restore();
      chmodSync(fleet.root, 0o700);
      for (const words of [["status"], ["inbox"], ["status", "--check"], ["health"], ["init"], ["monitor"]]) {
        const ran = await runAsNobody(words);
        expect({ words, ...ran }).toMatchObject({
          // To monitoring it is "unknown": nothing could be judged.
          code: words.includes("health") || words.includes("--check") ? 3 : 74,
          stderr: expect.stringContaining(`Cannot read folder "${fleet.root}": permission denied`),
        });
        expect(ran.stderr).toContain("the user who runs fleetd");
      }
      const doctor = await runAsNobody(["doctor", "--json", "--fix", "--yes"]);
      expect(doctor.code).toBe(2);
      const { findings } = JSON.parse(doctor.stdout) as { findings: Problem[] };
      expect(findings.find(({ id }) => id === "server")).toMatchObject({
        verdict: "critical",
        evidence: expect.stringContaining("permission denied"),
      });
    },
    TIMEOUT_MS,
  );
});

/** What every command says of a state that this user may not use: nothing of damage, nothing to mend. */
async function expectClosed(
  run: (words: readonly string[]) => Promise<{ code: number; stdout: string; stderr: string }>,
  evidence: string,
  fix: RegExp,
): Promise<void> {
  for (const words of [["status", "--check"], ["health"]]) {
    const judged = await run([...words, "--json"]);
    expect(judged.code).toBe(2);
    const { problems, checks } = JSON.parse(judged.stdout) as {
      problems?: { id: string; text: string; fix: string }[];
      checks?: { id: string; evidence: string; fix: string }[];
    };
    const check = checks?.find(({ id }) => id === "state");
    const problem = problems?.find(({ id }) => id === "state");
    expect(problem?.text ?? check?.evidence).toStartWith(evidence);
    expect(problem?.fix ?? check?.fix).toMatch(fix);
  }
  const doctor = await run(["doctor", "--fix", "--yes", "--json"]);
  expect(doctor.code).toBe(2);
  const { findings, treatments } = JSON.parse(doctor.stdout) as {
    findings: Problem[];
    treatments: unknown[];
  };
  expect(treatments).toEqual([]);
  const state = findings.find(({ id }) => id === "state");
  expect(state).toMatchObject({ verdict: "critical", evidence: expect.stringContaining(evidence) });
  expect(state?.fix).toMatch(fix);
  expect(doctor.stdout).not.toMatch(/damaged|--fix|ENOENT|EACCES/);
  for (const words of [
    ["send", "x", "--to", "code2"],
    ["trust", "rotate", "--yes"],
  ]) {
    const ran = await run(words);
    // 73 where the first thing that cannot be done is to make a file.
    expect([73, 74]).toContain(ran.code);
    expect({ words, ...ran }).toMatchObject({ stderr: expect.stringContaining(evidence) });
    expect(ran.stderr).toMatch(fix);
  }
}

describe.skipIf(!canDropRights)("a state that this user may not use is not damaged:", () => {
  const asNobody = (words: readonly string[]) => runAsNobody([...words, "--server", "code1"]);
  const whose = (path: string): string =>
    `permission denied for ${path}: it belongs to user 0, and this is user 65534`;
  const nobody = (path: string): void => void Bun.spawnSync(["chown", "-R", "65534:65534", path]);

  test.each<[string, () => string]>([
    ["its folder is closed to others", () => paths.folder],
    [
      "its folder may only be read",
      () => {
        Bun.spawnSync(["chmod", "-R", "a+rX,a-w", paths.folder]);
        return paths.folder;
      },
    ],
    [
      "the file is somebody else's",
      () => {
        nobody(fleet.root);
        chownSync(paths.state, 0, 0);
        chmodSync(paths.state, 0o600);
        return paths.state;
      },
    ],
  ])(
    "%s",
    async (_, make) => {
      restore();
      chmodSync(fleet.root, 0o755);
      await expectClosed(
        asNobody,
        whose(make()),
        /Run fleetd as the user it belongs to, or as root: chown -R/,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "its own folder without the right to write",
    async () => {
      restore();
      nobody(fleet.root);
      chmodSync(paths.folder, 0o500);
      const evidence = `permission denied for ${paths.folder}: it has mode 0500`;
      await expectClosed(asNobody, evidence, /^.*chmod -R u\+rwX/ms);
    },
    TIMEOUT_MS,
  );

  const canMount = process.platform === "linux" && Bun.spawnSync(["mount", "--version"]).exitCode === 0;
  test.skipIf(!canMount)(
    "its disk may only be read",
    async () => {
      restore();
      Bun.spawnSync(["mount", "--bind", fleet.root, fleet.root]);
      try {
        const mounted = Bun.spawnSync(["mount", "-o", "remount,ro,bind", fleet.root]);
        if (mounted.exitCode !== 0) {
          console.log("skipped: a state on a disk that may only be read: nothing can be mounted here");
          return;
        }
        const evidence = `${paths.folder} is on a file system that may only be read`;
        await expectClosed((words) => fleet.run(words, one), evidence, /Mount it for writing again/);
        expect(await fleet.run(["inbox"], one)).toMatchObject({ code: 0 });
      } finally {
        Bun.spawnSync(["umount", fleet.root]);
      }
    },
    TIMEOUT_MS,
  );
});
