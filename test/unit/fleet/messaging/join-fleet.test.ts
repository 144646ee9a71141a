import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { NAMESPACES } from "../../../../src/fleet/messaging/fleet-meta.ts";
import { loadIdentity, readSetting } from "../../../../src/fleet/messaging/identity.ts";
import { joinFleet, toRemoteError } from "../../../../src/fleet/messaging/join-fleet.ts";
import { queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { MemoryFleet, PATIENTLY, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
beforeEach(() => {
  fleet = new MemoryFleet();
});

const putMeta = (meta: unknown): void => {
  const commit = strangersCommit({ "meta.json": toUtf8(JSON.stringify(meta)) }, null);
  fleet.remote.put("refs/fleet/meta", commit.all, commit.commitId);
};
const FLEET = "01234567-89ab-7def-8123-456789abcdef";
const META = { v: 1, format: 1, fleet: FLEET, namespace: "refs/fleet/" };

describe("joinFleet()", () => {
  test("founds a fleet on an empty remote, which the next one joins", async () => {
    const first = await (await fleet.machine("code1")).join();
    const second = await (await fleet.machine("code2")).join();
    expect([first.founded, second.founded]).toEqual([true, false]);
    expect(second.identity.fleet).toBe(first.identity.fleet);
    expect(second.identity.epoch).not.toBe(first.identity.epoch);
    expect([...fleet.remote.refs.keys()]).toEqual(["refs/fleet/meta"]);
  });

  test("stores the identity, that history has to be declared, and the key as the first entry", async () => {
    const machine = await fleet.machine("code1");
    const { identity } = await machine.join();
    expect(loadIdentity(machine.state)).toEqual(identity);
    expect(identity).toMatchObject({ server: "code1", remoteUrl: "memory://remote", format: "sha1" });
    expect(readSetting(machine.state, "joining")).not.toBeNull();
    const { fleet: id, epoch, publicKey } = identity;
    expect(queuedDrafts(machine.state, 9).map((draft) => draft.body)).toEqual([
      { type: "key", fleet: id, epoch, public_key: publicKey, format: 1 },
    ]);
  });

  test("uses branches where the host refuses refs of one's own making, and the next one follows", async () => {
    fleet.remote.refuseCustomRefs();
    const first = await (await fleet.machine("code1")).join();
    const second = await (await fleet.machine("code2")).join();
    expect(first).toMatchObject({ founded: true, customRefs: false });
    expect(second).toMatchObject({ founded: false, customRefs: false });
    expect(second.identity).toMatchObject({ fleet: first.identity.fleet, namespace: NAMESPACES[1] });
    expect([...fleet.remote.refs.keys()]).toEqual(["refs/heads/fleet/meta"]);
  });

  test("obeys the namespace that the fleet was founded with", async () => {
    fleet.remote.refuseCustomRefs();
    await (await fleet.machine("code1")).join();
    fleet.remote.troubles.refuse = () => null;
    expect((await (await fleet.machine("code2")).join()).identity.namespace).toBe("refs/heads/fleet/");
  });

  test("of two that race one founds the fleet, and the other one joins it", async () => {
    const machines = [await fleet.machine("code1"), await fleet.machine("code2")];
    const joined = await Promise.all(machines.map((machine) => machine.join()));
    expect(fleet.remote.pushes).toHaveLength(2);
    expect(joined.map((report) => report.founded)).toEqual([true, false]);
    expect(joined[1]?.identity.fleet).toBe(joined[0]?.identity.fleet ?? "");
    expect([...fleet.remote.refs.keys()]).toEqual(["refs/fleet/meta"]);
  });

  test("waits for whoever has the ref locked instead of founding a second fleet elsewhere", async () => {
    const winner = await fleet.machine("code1");
    const loser = await fleet.machine("code2");
    fleet.remote.troubles.nextBusy = 2;
    const lost = await loser.join();
    expect(lost).toMatchObject({ founded: true, customRefs: true });
    expect((await winner.join()).identity.fleet).toBe(lost.identity.fleet);
    expect([...fleet.remote.refs.keys()]).toEqual(["refs/fleet/meta"]);
  });

  test("gives up with UNAVAILABLE when the ref stays locked, and founds nothing elsewhere", async () => {
    fleet.remote.troubles.nextBusy = 1000;
    const thrown = await (await fleet.machine("code1")).join().catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ code: "UNAVAILABLE" });
    expect([...fleet.remote.refs.keys()]).toEqual([]);
  });

  test("finds its own fleet again when the answer to founding it was lost", async () => {
    fleet.remote.troubles.nextAnswersLost = 1;
    const machine = await fleet.machine("code1");
    expect(await machine.join().catch((thrown: unknown) => thrown)).toMatchObject({ code: "UNAVAILABLE" });
    const joined = await machine.join();
    expect(joined.founded).toBe(false);
    expect(fleet.remote.pushes).toHaveLength(1);
  });

  test("refuses an id that is taken, and stores nothing", async () => {
    await fleet.add("code1");
    const machine = await fleet.machine("code1");
    const before = machine.state.dump();
    const thrown = await machine.join().catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ code: "NOT_AUTHORISED" });
    expect(machine.state.dump()).toEqual(before);
  });

  test("takes an id that only begins like another one's", async () => {
    await fleet.add("code11");
    expect((await (await fleet.machine("code1")).join()).identity.server).toBe("code1");
  });

  test("of two machines that take one id at once, the second is told at its first push", async () => {
    const [first, second] = [await fleet.join("code1"), await fleet.join("code1")];
    await first.flush();
    expect(await second.flush().catch((thrown: unknown) => thrown)).toMatchObject({ code: "NOT_AUTHORISED" });
  });

  test("refuses a host that lets nobody write", async () => {
    fleet.remote.troubles.refuse = () => "pre-receive hook declined";
    const thrown = await (await fleet.machine("code1")).join().catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ code: "NOT_AUTHORISED" });
    expect(String(thrown)).toContain("pre-receive hook declined");
  });

  test.each([
    ["of a later format", { ...META, format: 2 }],
    ["of a later version", { ...META, v: 2 }],
    ["without a fleet id", { ...META, fleet: "f" }],
    ["with a namespace of its own", { ...META, namespace: "refs/tags/" }],
    ["that is no object", [META]],
  ])("refuses a fleet %s with BAD_INPUT", async (_, meta) => {
    putMeta(meta);
    const thrown = await (await fleet.machine("code1")).join().catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ code: "BAD_INPUT" });
    expect(fleet.remote.pushes).toEqual([]);
  });

  test("joins a fleet whose meta has fields of the future", async () => {
    putMeta({ ...META, motto: "later" });
    expect((await (await fleet.machine("code1")).join()).identity.fleet).toBe(FLEET);
  });

  test.each([
    ["unreachable", "UNAVAILABLE"],
    ["timeout", "UNAVAILABLE"],
    ["unauthorised", "NOT_AUTHORISED"],
  ] as const)("answers a remote that is %s with %s", async (kind, code) => {
    fleet.remote.troubles.outage = { kind, detail: "no" };
    const machine = await fleet.machine("code1");
    const wanted = { server: "code1", remoteUrl: "u" };
    const thrown = await joinFleet(machine.joinPorts, wanted, PATIENTLY).catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({ code });
    expect(loadIdentity(machine.state)).toBeNull();
  });
});

test("toRemoteError() names the action, the remote, the state and git's words", () => {
  const error = toRemoteError(
    "read",
    { displayUrl: "ssh://host/x" },
    { kind: "failed", detail: "fatal: odd" },
  );
  expect(error.message).toBe('Cannot read "ssh://host/x": git failed: fatal: odd');
});
