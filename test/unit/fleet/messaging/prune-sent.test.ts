import { beforeEach, expect, test } from "bun:test";
import { deliveryOf } from "../../../../src/fleet/messaging/delivery.ts";
import { pruneSent } from "../../../../src/fleet/messaging/prune-sent.ts";
import { countSentByMinute } from "../../../../src/fleet/messaging/sent-counts.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  await fleet.add("code2");
  await me.receive();
});

const rows = (table: string): number =>
  me.state.get<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)?.count ?? 0;

function pruneAll(beforeWallMs: number, countedSinceWallMs = 0): void {
  while (pruneSent(me.state, { beforeWallMs, countedSinceWallMs }));
}

test("removes what was pushed before, all but the newest row, and keeps what was counted", async () => {
  for (let count = 0; count < 3; count += 1) await me.send({ to: ["all"] });
  const before = countSentByMinute(me.state, 0);
  await fleet.clock.advance(60_000);
  pruneAll(fleet.clock.wallMs());
  expect([rows("outbox"), rows("expected")]).toEqual([1, 1]);
  expect(countSentByMinute(me.state, 0)).toEqual(before);
  pruneAll(fleet.clock.wallMs(), fleet.clock.wallMs() + 3_600_000);
  expect(rows("sent_minutes")).toBe(0);
});

test("leaves what is newer, what waits, and what is dead", async () => {
  await me.send({ to: ["code2"] });
  const limit = fleet.clock.wallMs() + 1;
  await fleet.clock.advance(10);
  await me.send({ to: ["code2"] });
  const id = me.queue({ to: ["code2"] });
  me.state.run("UPDATE outbox SET state = 'dead' WHERE id = ?", id);
  me.queue({ to: ["code2"] });
  pruneAll(limit);
  expect(
    me.state.all<{ state: string }>("SELECT state FROM outbox ORDER BY position").map((one) => one.state),
  ).toEqual(["pushed", "dead", "queued"]);
});

test("a direct message whose row went is still told of with whom it was for", async () => {
  const id = await me.send({ to: ["code2"] });
  await me.send({ to: ["code2"] });
  await me.receive();
  await fleet.clock.advance(10);
  pruneAll(fleet.clock.wallMs());
  expect(deliveryOf(me.state, me.index, { server: "code1", id })).toMatchObject({
    state: "pushed",
    recipients: [{ server: "code2", state: "pushed" }],
  });
});

test("of a log that is never shortened only the newest batches stay known", async () => {
  await me.send({ to: ["code2"] });
  me.state.run("UPDATE batches SET objects = NULL");
  me.state.run(
    "UPDATE batches SET number = number + 1000000 WHERE number = (SELECT max(number) FROM batches)",
  );
  pruneAll(0);
  expect(rows("batches")).toBe(1);
});
