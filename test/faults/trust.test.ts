// Whose word counts: a key that is changed, given up, stolen, revoked or never trusted, with real servers on a real
// remote. Whatever is not trusted is neither indexed nor acted on, and nobody else notices.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FORGERIES, type Json, type Trusted, TrustRing } from "../helpers/trust-ring.ts";
import { until } from "../helpers/wire-fleet.ts";
import { WireWriter } from "../helpers/wire-writer.ts";

const TIMEOUT_MS = 120_000;
const WITHIN_MS = 60_000;
const FIXTURE = join(import.meta.dir, "../helpers/fixtures/rotate-until.ts");

if (Bun.which("ssh-keygen") === null)
  console.log("skipped: trust under attack, since there is no ssh-keygen here");

describe("a key that is changed", () => {
  const ring = new TrustRing();
  beforeAll(async () => {
    for (const server of ["a", "b", "c"]) await ring.fleet.json(server, "init");
  }, TIMEOUT_MS);
  afterEach(async () => await ring.stopAll(), TIMEOUT_MS);
  afterAll(async () => await ring.remove(), TIMEOUT_MS);

  test(
    "is followed by readers that run and by those that come back later; nothing is refused, lost or doubled",
    async () => {
      await ring.run("b", "inbox");
      await ring.run("c", "inbox");
      const [writer, reader] = [await ring.monitor("a"), await ring.monitor("b")];
      await ring.run("a", "send", "one", "--to", "all");
      const before = ring.fleet.publicKey("a");
      const rotated = await ring.run("a", "trust", "rotate", "--yes");
      expect(rotated).toMatchObject({ server: "a", pushed: true });
      await ring.run("a", "send", "two", "--to", "all");
      await until(async () => (await ring.bodies("b")).length === 2, "b has both", WITHIN_MS);
      // The running monitor of a signs with the new key, and b took its newer card.
      const isFollowed = async (): Promise<boolean> =>
        (await ring.trusted("b", "a"))?.public_key === ring.fleet.publicKey("a");
      await until(isFollowed, "b follows", WITHIN_MS);
      await writer.stop();
      await reader.stop();
      expect(ring.fleet.publicKey("a")).not.toBe(before);
      expect(ring.keyFiles("a")).toEqual(["key", "key.pub"]);
      for (const server of ["b", "c"]) {
        expect(await ring.bodies(server)).toEqual(["one", "two"]);
        expect(await ring.problems(server, "a")).toEqual([]);
        expect((await ring.trusted(server, "a"))?.former.map(({ how }) => how)).toEqual(["rotated"]);
      }
    },
    TIMEOUT_MS,
  );

  test.skipIf(process.platform === "win32")(
    "keeps a new key that cannot be read for a moment after the change: it is the only one",
    async () => {
      const killed = Bun.spawnSync(["bun", FIXTURE, join(ring.fleet.root, "a"), "changed"], {
        env: ring.fleet.environment,
      });
      expect(killed.signalCode).toBe("SIGKILL");
      const next = join(ring.fleet.root, "a", "key.next");
      renameSync(next, `${next}.hidden`);
      mkdirSync(next);
      const refused = await ring.fleet.run("a", "send", "refused", "--to", "all");
      expect(refused.exitCode).toBe(78);
      rmdirSync(next);
      renameSync(`${next}.hidden`, next);
      await ring.run("a", "send", "taken", "--to", "all");
      for (const reader of ["b", "c"]) {
        expect(await ring.bodies(reader)).toContain("taken");
        expect(await ring.problems(reader, "a")).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  for (const step of ["made", "changed", "installed"]) {
    test.skipIf(process.platform === "win32")(
      `survives kill -9 when it is ${step}: the next command goes on by itself`,
      async () => {
        const body = `after ${step}`;
        const killed = Bun.spawnSync(["bun", FIXTURE, join(ring.fleet.root, "a"), step], {
          env: ring.fleet.environment,
        });
        expect(killed.signalCode).toBe("SIGKILL");
        const listed = await ring.run("a", "trust", "list", "--offline");
        const [own] = listed["servers"] as Trusted[];
        await ring.run("a", "send", body, "--to", "all");
        expect((await ring.run("a", "trust", "list"))["servers"]).toMatchObject([
          { public_key: own?.public_key },
          {},
          {},
        ]);
        for (const reader of ["b", "c"]) {
          expect(await ring.bodies(reader)).toContain(body);
          expect(await ring.problems(reader, "a")).toEqual([]);
        }
        const monitor = await ring.monitor("a");
        await until(() => ring.keyFiles("a").length === 2, "the files are put right", WITHIN_MS);
        await monitor.stop();
        expect(ring.keyFiles("a")).toEqual(["key", "key.pub"]);
        expect(own?.public_key).toBe(ring.fleet.publicKey("a"));
      },
      TIMEOUT_MS,
    );
  }
});

describe.skipIf(Bun.which("ssh-keygen") === null)("who is not to be believed", () => {
  const ring = new TrustRing();
  const marker = join(ring.fleet.folder, "handler-ran");
  const config = join(ring.fleet.folder, "fleetd.yaml");
  let owner: WireWriter;
  beforeAll(async () => {
    await ring.fleet.json("b", "init");
    await ring.fleet.json("honest", "init");
    owner = new WireWriter(ring.fleet, "owner").join();
    owner.push([owner.message("b", "first")]);
    owner.pushCard(owner.card(1));
    await ring.run("b", "inbox");
  }, TIMEOUT_MS);
  afterEach(async () => await ring.stopAll(), TIMEOUT_MS);
  afterAll(async () => await ring.remove(), TIMEOUT_MS);

  test(
    "a change of the key that is not as it should be is refused, and its owner is not silenced",
    async () => {
      const stranger = ring.fleet.publicKey("honest");
      const forged = Object.entries(FORGERIES).map(([name, lines]) => {
        const commit = owner.push(lines(owner, stranger));
        owner.push([owner.message("b", `after ${name}`)]);
        return { commit, body: `after ${name}` };
      });
      const bodies = await ring.bodies("b");
      const problems = (await ring.problems("b", "owner")).join();
      expect(bodies).toEqual([...forged.map(({ body }) => body), "first"].sort());
      for (const { commit } of forged) expect(problems).toContain(`quarantined ${commit.slice(0, 12)}`);
      expect((await ring.trusted("b", "owner"))?.public_key).toBe(owner.publicKey);
    },
    TIMEOUT_MS,
  );

  test(
    "the thief of a key that was given up writes on, forks, rotates and shows cards in vain",
    async () => {
      const thief = owner.thief();
      const early = owner.thief();
      const base = owner.tips();
      owner.rotate();
      owner.push([owner.message("b", "by the new key")]);
      owner.pushCard(owner.card(2));
      expect(await ring.bodies("b")).toContain("by the new key");
      const honest = owner.tips();

      // On top of the log, as the next line of the old epoch and of the new one.
      thief.push([thief.message("b", "stolen 1")]);
      Object.assign(thief, { epoch: owner.epoch, seq: owner.seq, prev: owner.prev });
      thief.push([thief.message("b", "stolen 2")]);
      thief.push([thief.handover().line]);
      thief.pushCard(thief.card(99));
      expect(await ring.bodies("b")).not.toContain("stolen 1");
      expect((await ring.trusted("b", "owner"))?.public_key).toBe(owner.publicKey);

      // In its place: a log that is as it was before the change, and goes on by the old key; also for a new index.
      const lines = [early.message("b", "stolen 3")];
      const bytes = new Uint8Array(Buffer.concat([...lines, new Uint8Array([0x0a])]));
      early.pushFiles({ "entries.jsonl": bytes, "entries.sig": early.sign(bytes) }, base);
      await ring.run("b", "inbox");
      await ring.run("b", "rebuild-index");
      const bodies = await ring.bodies("b");
      expect(bodies.filter((body) => body.startsWith("stolen"))).toEqual([]);
      expect(bodies).toContain("by the new key");
      expect((await ring.problems("b", "owner")).join()).toContain("does not continue entry");
      expect((await ring.trusted("b", "owner"))?.public_key).toBe(owner.publicKey);

      // Its owner puts the log back, and is heard.
      ring.fleet.git(["update-ref", owner.logRef, honest[0] ?? ""]);
      owner.push([owner.message("b", "its owner again")]);
      expect(await ring.bodies("b")).toContain("its owner again");
    },
    TIMEOUT_MS,
  );

  test(
    "a stranger that puts a log of its own in the place of a known one is refused with an alarm",
    async () => {
      const [tip = ""] = owner.tips();
      const stranger = new WireWriter(ring.fleet, "owner");
      ring.fleet.git(["update-ref", "-d", owner.logRef]);
      stranger.join().push([stranger.message("b", "who am I")]);
      stranger.pushCard(stranger.card(100));
      await ring.run("b", "inbox");
      expect(await ring.bodies("b")).not.toContain("who am I");
      expect((await ring.trusted("b", "owner"))?.public_key).toBe(owner.publicKey);
      expect((await ring.problems("b", "owner")).join()).toContain("does not continue entry");
      const refused = await ring.fleet.run("b", "trust", "add", "owner", owner.publicKey);
      expect([refused.exitCode, refused.stderr]).toEqual([
        65,
        expect.stringContaining("the remote shows SHA256:"),
      ]);
      ring.fleet.git(["update-ref", owner.logRef, tip]);
    },
    TIMEOUT_MS,
  );

  test(
    "a revoked server goes on sending, asking and changing its card and its key, and nothing of it is taken",
    async () => {
      const rule = `rules:\n  - name: mark\n    match: { from: owner }\n    run: [touch, ${marker}]\n`;
      writeFileSync(config, rule);
      const monitor = await ring.monitor("b", "--config", config);
      // What it said while it was trusted is handled first.
      const countRuns = async (): Promise<number> => {
        const { runs } = await ring.run("b", "handlers", "--limit", "1000");
        return (runs as Json[]).filter(({ state }) => state === "done").length;
      };
      const { messages } = await ring.run("b", "inbox", "--from", "owner", "--limit", "1000");
      const said = (messages as Json[]).length;
      // Its receipts are on the remote as well: one for each, and the key.
      const isTold = async (): Promise<boolean> =>
        (await countRuns()) === said && ring.entries("b").length === said + 1;
      await until(isTold, "what was there is handled", WITHIN_MS);
      rmSync(marker);
      await ring.run("b", "trust", "revoke", "owner", "--yes");
      const before = await ring.bodies("b");
      const receipts = ring.entries("b").length;
      for (let count = 0; count < 3; count += 1) {
        owner.push([owner.message("b", `status? ${count}`, { kind: "request", ack_required: true })]);
        owner.pushCard(owner.card(200 + count));
      }
      owner.rotate().push([owner.message("b", "by a new key")]);
      // Whoever sends later is heard, so everything before was looked at.
      await ring.run("honest", "send", "I am honest", "--to", "b");
      await until(async () => (await ring.bodies("b")).includes("I am honest"), "b heard", WITHIN_MS);
      const isQuarantined = async (): Promise<boolean> =>
        (await ring.problems("b", "owner")).join().includes("batches were put aside, since it is revoked");
      await until(isQuarantined, "b put it aside", WITHIN_MS);
      expect(await ring.bodies("b")).toEqual([...before, "I am honest"].sort());
      expect(existsSync(marker)).toBe(false);
      expect(ring.entries("b").length).toBe(receipts);
      const { servers } = await ring.run("b", "servers");
      expect(servers as Json[]).toContainEqual(
        expect.objectContaining({ server: "owner", trust: "revoked" }),
      );
      const doctor = await ring.fleet.run("b", "doctor");
      expect(doctor.stdout).toContain("revoked: owner");

      // Taken back: it is read, and stays history; what comes then is handled.
      await ring.run("b", "trust", "add", "owner");
      expect(await ring.bodies("b")).toContain("by a new key");
      owner.push([owner.message("b", "at last")]);
      await until(() => existsSync(marker), "the handler ran", WITHIN_MS);
      await until(async () => (await countRuns()) === said + 1, "it alone was handled", WITHIN_MS);
      await monitor.stop();
    },
    TIMEOUT_MS,
  );

  test(
    "in pinned mode an unlisted server waits, its requests are never answered, and it is read when it is added",
    async () => {
      writeFileSync(config, "trust: pinned\n");
      const late = new WireWriter(ring.fleet, "late").join();
      late.push([late.message("b", "status? early")]);
      const monitor = await ring.monitor("b", "--config", config);
      const isWaiting = async (): Promise<boolean> => (await ring.trusted("b", "late"))?.trust === "waiting";
      await until(isWaiting, "it is shown as waiting", WITHIN_MS);
      expect(await ring.trusted("b", "honest")).toMatchObject({ trust: "waiting" });
      const answers = ring.entries("b").length;
      expect(await ring.bodies("b")).not.toContain("status? early");
      await ring.run("b", "trust", "add", "late");
      await until(async () => (await ring.bodies("b")).includes("status? early"), "it is read", WITHIN_MS);
      late.push([late.message("b", "status? now")]);
      await until(() => ring.entries("b").length > answers, "the later one is answered", WITHIN_MS);
      await monitor.stop();
      const replies = ring.entries("b").filter(({ type }) => type === "message");
      const { messages } = await ring.run("b", "inbox", "--from", "late");
      const [now] = messages as { body: string; id: string }[];
      expect(now?.body).toBe("status? now");
      expect(replies.map((reply) => reply["in_reply_to"])).toEqual([now?.id]);
    },
    TIMEOUT_MS,
  );
});
