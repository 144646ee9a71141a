import { beforeEach, describe, expect, test } from "bun:test";
import { buildQueued } from "../../../../src/fleet/messaging/build-queued.ts";
import { parseCard } from "../../../../src/fleet/messaging/card.ts";
import { loadHead } from "../../../../src/fleet/messaging/outbox.ts";
import {
  buildNextCard,
  loadCardState,
  loadRun,
  renewRun,
  saveCardState,
} from "../../../../src/fleet/messaging/publish-card.ts";
import { FACTS, MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.join("code1");
  await buildQueued(me.sendPorts);
});

const build = async (facts = FACTS) => {
  const built = await buildNextCard(me.sendPorts, facts);
  const parsed = parseCard(built.objects[0]?.content ?? new Uint8Array(), "code1");
  if (!parsed.ok) throw new Error(parsed.error);
  return { ...built, card: parsed.value, commit: new TextDecoder().decode(built.objects.at(-1)?.content) };
};

test("loadCardState() before the first card knows of none", () => {
  expect(loadCardState(me.sendPorts)).toEqual({ n: 0, seen: 0, commitId: null, mode: "replace" });
});

describe("buildNextCard()", () => {
  test("takes a number for every card, even for one that is never pushed", async () => {
    expect([(await build()).n, (await build()).n]).toEqual([1, 2]);
    expect(loadCardState(me.sendPorts)).toEqual({ n: 2, seen: 0, commitId: null, mode: "replace" });
  });

  test("says who the server is, what runs on it and when", async () => {
    const { card } = await build({ ...FACTS, groups: ["web"], health: { status: "warn" } });
    expect(card).toMatchObject({
      server: "code1",
      fleet: me.identity.fleet,
      public_key: me.identity.publicKey,
      at: "2026-01-01T00:00:00.000Z",
      version: "1.2.3",
      groups: ["web"],
      health: { status: "warn" },
      run: loadRun(me.sendPorts),
    });
  });

  test("says how far the own log goes", async () => {
    await me.send({ to: ["all"] });
    const { epoch, seq, hash } = loadHead(me.state) ?? { epoch: "", seq: 0, hash: "" };
    expect((await build()).card.log).toEqual({ epoch, seq, hash });
  });

  test("says how far the others' logs were handled, and leaves out those of which nothing was", async () => {
    await me.receive();
    const other = await fleet.add("code2");
    await me.receive();
    expect((await build()).card.cursors).toEqual({});
    me.answer();
    const { epoch, seq, hash } = loadHead(other.state) ?? { epoch: "", seq: 0, hash: "" };
    expect((await build()).card.cursors).toEqual({ code2: { epoch, seq, hash } });
  });

  test("has no parent where cards are replaced, and the one before where they form a chain", async () => {
    await me.flush();
    expect((await build()).commit).not.toContain("\nparent ");
    const { commitId } = loadCardState(me.sendPorts);
    saveCardState(me.sendPorts, { ...loadCardState(me.sendPorts), mode: "chain" });
    expect((await build()).commit).toContain(`\nparent ${commitId}\n`);
  });
});

test("renewRun() draws another nonce of 16 hex digits, which stays until the next start", () => {
  const first = loadRun(me.sendPorts);
  renewRun(me.sendPorts);
  expect(loadRun(me.sendPorts)).toMatch(/^[0-9a-f]{16}$/);
  expect(loadRun(me.sendPorts)).not.toBe(first);
  expect(loadRun(me.sendPorts)).toBe(loadRun(me.sendPorts));
});
