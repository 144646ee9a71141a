import { beforeEach, describe, expect, test } from "bun:test";
import { buildDrafts, buildQueued, commitDrafts } from "../../../../src/fleet/messaging/build-queued.ts";
import { LIMITS } from "../../../../src/fleet/messaging/model.ts";
import {
  countUnconfirmed,
  loadHead,
  outboxItem,
  queuedDrafts,
  unpushedBatches,
} from "../../../../src/fleet/messaging/outbox.ts";
import { dropEntry, noteRefused } from "../../../../src/fleet/messaging/queue.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const builtTips = (): string[] => unpushedBatches(me.state).map((batch) => batch.commitId);
const stateOf = (id: string) => outboxItem(me.state, id)?.state ?? "gone";
const refuse = (id: string): void => {
  const refusal = { ids: [id], reason: "no", nowWallMs: fleet.clock.wallMs() };
  me.state.transaction(() => noteRefused(me.state, refusal, me.rules));
};

describe("commitDrafts()", () => {
  test("makes new drafts durable and a batch in one transaction", async () => {
    const commits = me.state.commits;
    const draft = me.draft({ to: ["code2"] });
    await commitDrafts(me.sendPorts, [draft]);
    expect(me.state.commits).toBe(commits + 1);
    expect(outboxItem(me.state, draft.id)?.state).toBe("built");
  });

  test("queues behind what is queued already, so that the order stays", async () => {
    const first = me.queue({ to: ["code2"] });
    const draft = me.draft({ to: ["code2"] });
    await commitDrafts(me.sendPorts, [draft]);
    expect(queuedDrafts(me.state, 9).map((one) => one.id)).toEqual([first, draft.id]);
  });

  test("builds nothing of a draft that was taken before", async () => {
    const draft = me.draft({ to: ["code2"], idempotencyKey: "once" });
    await commitDrafts(me.sendPorts, [draft]);
    const head = loadHead(me.state);
    await commitDrafts(me.sendPorts, [me.draft({ to: ["code2"], idempotencyKey: "once" })]);
    expect(loadHead(me.state)).toEqual(head);
    expect(countUnconfirmed(me.state)).toBe(1);
  });

  test("changes nothing when the database fails, and does it all the next time", async () => {
    const draft = me.draft({ to: ["code2"] });
    const before = me.state.dump();
    me.state.failOnce("INSERT INTO batches");
    expect(await commitDrafts(me.sendPorts, [draft]).catch((thrown: unknown) => thrown)).toMatchObject({
      code: "IO",
    });
    expect(me.state.dump()).toEqual(before);
    await commitDrafts(me.sendPorts, [draft]);
    expect(builtTips()).toHaveLength(1);
  });

  test("with no drafts changes nothing", async () => {
    const before = me.state.dump();
    await commitDrafts(me.sendPorts, []);
    expect(me.state.dump()).toEqual(before);
  });
});

describe("buildQueued()", () => {
  test("builds as many batches as it takes, none over the limit, in order", async () => {
    const body = "x".repeat(LIMITS.bodyBytesMax);
    const ids = Array.from({ length: 12 }, () => me.queue({ to: ["code2"], body }));
    await buildQueued(me.sendPorts);
    expect(queuedDrafts(me.state, 99)).toEqual([]);
    const places = ids.map((id) => outboxItem(me.state, id)?.seq);
    expect(places).toEqual(ids.map((_, index) => index + 2));
    expect(builtTips().length).toBeGreaterThan(1);
    const largest = unpushedBatches(me.state).flatMap((batch) =>
      batch.objects.map((one) => one.content.length),
    );
    expect(Math.max(...largest)).toBeLessThanOrEqual(LIMITS.batchBytesMax);
  });

  test("passes over what rests after a refusal, until it is due", async () => {
    const [resting, other] = [me.queue({ to: ["code2"] }), me.queue({ to: ["code2"] })];
    refuse(resting);
    await buildQueued(me.sendPorts);
    expect([stateOf(resting), stateOf(other)]).toEqual(["queued", "built"]);
    await fleet.clock.advance(me.rules.retry.first);
    await buildQueued(me.sendPorts);
    expect(stateOf(resting)).toBe("built");
  });

  test("begins a log with its key, even if the key rests", async () => {
    const late = await fleet.join("code2");
    const [key] = queuedDrafts(late.state, 1);
    const refusal = { ids: [key?.id ?? ""], reason: "no", nowWallMs: fleet.clock.wallMs() };
    late.state.transaction(() => noteRefused(late.state, refusal, late.rules));
    const id = late.queue({ to: ["code1"] });
    await buildQueued(late.sendPorts);
    expect([key?.id ?? "", id].map((one) => outboxItem(late.state, one)?.seq)).toEqual([1, 2]);
  });
});

describe("buildDrafts()", () => {
  test("builds these entries alone and answers the last commit", async () => {
    const ids = [1, 2, 3].map(() => me.queue({ to: ["code2"] }));
    const drafts = queuedDrafts(me.state, 9).filter((draft) => draft.id !== ids[1]);
    const tip = await buildDrafts(me.sendPorts, drafts);
    expect(ids.map(stateOf)).toEqual(["built", "queued", "built"]);
    expect(tip).toBe(loadHead(me.state)?.tip ?? "");
  });

  test("builds as many batches as it takes, in order, and leaves out what was dropped", async () => {
    const ids = Array.from({ length: LIMITS.batchLinesMax + 20 }, () => me.queue({ to: ["code2"] }));
    const drafts = queuedDrafts(me.state, ids.length);
    const [first = "", ...rest] = ids;
    me.state.transaction(() => dropEntry(me.state, first));
    expect(await buildDrafts(me.sendPorts, drafts)).toBe(loadHead(me.state)?.tip ?? "");
    expect(rest.map((id) => outboxItem(me.state, id)?.seq)).toEqual(rest.map((_, index) => index + 2));
    expect(builtTips()).toHaveLength(2);
  });

  test("leaves out what was dropped meanwhile, and builds nothing of nothing", async () => {
    const [gone, stays] = [me.queue({ to: ["code2"] }), me.queue({ to: ["code2"] })];
    const drafts = queuedDrafts(me.state, 9);
    me.state.transaction(() => dropEntry(me.state, gone));
    expect(await buildDrafts(me.sendPorts, drafts)).not.toBeNull();
    expect(stateOf(stays)).toBe("built");
    expect(await buildDrafts(me.sendPorts, drafts)).toBeNull();
  });
});
