import { expect, test } from "bun:test";
import { noteOtherFleet, noteOwnFleet } from "../../../../src/fleet/messaging/other-fleet.ts";
import { holdOf } from "../../../../src/fleet/messaging/own-alarms.ts";
import { MemoryFleet } from "../../../helpers/memory-fleet.ts";

test("noteOtherFleet() holds the server with the reason, noteOwnFleet() ends that", async () => {
  const me = await new MemoryFleet().add("code1");
  const other = "01a20168-a495-7453-a06d-915cb76c4466";
  const failure = noteOtherFleet(me.sendPorts, other);
  expect(failure).toMatchObject({
    kind: "failed",
    detail: expect.stringContaining(`that of fleet ${other}`),
  });
  expect(holdOf(me.state)).toMatchObject({ kind: "other-fleet", detail: failure.detail });
  expect([noteOwnFleet(me.sendPorts), noteOwnFleet(me.sendPorts)]).toEqual([true, false]);
  expect(holdOf(me.state)).toBeNull();
});

test("noteOtherFleet() repeats nothing that is not the form of a fleet's id", async () => {
  const me = await new MemoryFleet().add("code1");
  expect(noteOtherFleet(me.sendPorts, "of another format").detail).toContain(
    "is of another format, not that of",
  );
});
