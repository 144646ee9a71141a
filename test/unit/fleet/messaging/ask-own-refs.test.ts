import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { askOwnRefs } from "../../../../src/fleet/messaging/ask-own-refs.ts";
import { encodeMeta } from "../../../../src/fleet/messaging/fleet-meta.ts";
import { holdOf, raiseOwnAlarm } from "../../../../src/fleet/messaging/own-alarms.ts";
import { renewRun } from "../../../../src/fleet/messaging/publish-card.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet: MemoryFleet;
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const ask = async (server = me) => {
  const refs = new Map(fleet.remote.refs);
  const asked = await askOwnRefs(server.sendPorts, PATIENTLY);
  expect(fleet.remote.refs).toEqual(refs);
  expect(asked.ok).toBe(true);
  return asked.ok ? asked.value : null;
};
const start = (server: MemoryServer): void => server.state.transaction(() => renewRun(server.sendPorts));

describe("askOwnRefs()", () => {
  test("finds nothing where the refs are what was pushed, gone, taken back, or strangers'", async () => {
    const first = fleet.remote.refs.get(me.logRef) ?? "";
    await me.send({ to: ["code2"] });
    expect(await ask()).toBeNull();
    for (const [ref, id] of [
      [me.logRef, first],
      [me.logRef, null],
      [me.cardRef, null],
      ["refs/fleet/meta", null],
    ] as const) {
      fleet.remote.put(ref, [], id);
      expect(await ask()).toBeNull();
    }
    const junk = strangersCommit({ "a.txt": toUtf8("x") }, null);
    for (const ref of [me.logRef, me.cardRef]) fleet.remote.put(ref, junk.all, junk.commitId);
    expect(await ask()).toBeNull();
  });

  test("finds what another machine wrote with our key: its entries, or its card alone; writes down nothing", async () => {
    const [old, other] = [me.backup(), me.backup()];
    start(other);
    await other.flush();
    expect(await ask()).toMatchObject({
      kind: "other-machine",
      detail: expect.stringContaining("another daemon"),
    });
    await me
      .backup()
      .send({ to: ["code2"] })
      .catch(() => undefined);
    await other.send({ to: ["code2"] });
    expect(await ask(old)).toMatchObject({
      kind: "other-machine",
      detail: expect.stringContaining("1 entry"),
    });
    expect([holdOf(me.state), holdOf(old.state)]).toEqual([null, null]);
  });

  test("finds an id that is taken, and the repository of another fleet", async () => {
    const late = await fleet.join("code3");
    await (await fleet.join("code3")).flush();
    expect(await ask(late)).toMatchObject({ kind: "id-taken" });
    const other = { fleet: "01a20168-a495-7453-a06d-915cb76c4466", namespace: "refs/fleet/" };
    const meta = encodeMeta(me.sendPorts, { meta: other, server: "x", nowMs: 5 });
    fleet.remote.put("refs/fleet/meta", meta.all, meta.commitId);
    expect(await ask()).toMatchObject({ kind: "other-fleet", detail: expect.stringContaining(other.fleet) });
  });

  test("goes by what is known already, without asking", async () => {
    raiseOwnAlarm(me.state, { kind: "other-machine", detail: "they fight" }, 5);
    expect(await ask()).toEqual({ kind: "other-machine", detail: "they fight" });
  });
});
