// A server whose state.db is gone, damaged or not to be read: what its operator decided, what is told, what is done.
import { Database as Sqlite } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/platform/paths.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

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
      expect(idsOf(mended)).not.toContain("decisions");
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
