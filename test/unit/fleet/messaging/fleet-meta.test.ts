import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import {
  encodeMeta,
  fetchMeta,
  judgeMeta,
  knownMeta,
  metaLease,
  parseMeta,
  restoreMeta,
} from "../../../../src/fleet/messaging/fleet-meta.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY } from "../../../helpers/memory-fleet.ts";

const META = "refs/fleet/meta";
const OTHER = "01a20168-a495-7453-a06d-915cb76c4466";
let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

/** Puts a `meta` of `id` on the remote, as another founder or another server of the fleet would. */
function putMeta(id: string): string {
  const meta = { fleet: id, namespace: "refs/fleet/" };
  const commit = encodeMeta(me.sendPorts, { meta, server: "other", nowMs: 1_800_000_000_000 });
  fleet.remote.put(META, commit.all, commit.commitId);
  return commit.commitId;
}

test("parseMeta() reads what encodeMeta() wrote, and nothing of another form", () => {
  const line = { v: 1, fleet: OTHER, format: 1, namespace: "refs/fleet/" };
  const parse = (value: object) => parseMeta(toUtf8(`${JSON.stringify(value)}\n`));
  expect(parse(line)).toEqual({ fleet: OTHER, namespace: "refs/fleet/" });
  for (const wrong of [{ v: 2 }, { format: 2 }, { fleet: "x" }, { namespace: "refs/tags/" }]) {
    expect(parse({ ...line, ...wrong })).toBeNull();
  }
  expect(parseMeta(toUtf8("no json"))).toBeNull();
});

describe("judgeMeta()", () => {
  test("knows its own fleet from the join on, and what is not there", async () => {
    expect(knownMeta(me.state)).toBe(fleet.remote.refs.get(META) ?? "");
    expect(await judgeMeta(me.sendPorts, knownMeta(me.state))).toBe("ours");
    expect(await judgeMeta(me.sendPorts, null)).toBe("gone");
    expect(await judgeMeta(me.sendPorts, "ab".repeat(20))).toBe("unread");
  });

  test("takes another commit of the same fleet, and remembers it", async () => {
    const again = putMeta(me.identity.fleet);
    expect(await fetchMeta(me.sendPorts, again, PATIENTLY)).toEqual({ ok: true, value: "ours" });
    expect(knownMeta(me.state)).toBe(again);
  });

  test("names another fleet, and remembers nothing of it", async () => {
    const known = knownMeta(me.state);
    const other = putMeta(OTHER);
    expect(await fetchMeta(me.sendPorts, other, PATIENTLY)).toEqual({ ok: true, value: { other: OTHER } });
    expect(knownMeta(me.state)).toBe(known);
  });
});

test("a push carries metaLease(): nothing of it arrives where meta is another one", async () => {
  expect(metaLease(me.sendPorts)).toEqual([
    { ref: META, id: knownMeta(me.state), expected: knownMeta(me.state) },
  ]);
  putMeta(OTHER);
  const [log, card] = [fleet.remote.refs.get(me.logRef), fleet.remote.refs.get(me.cardRef)];
  me.queue({ to: ["code2"] });
  expect(await me.flush()).toMatchObject({ status: "waiting", failure: { kind: "failed" } });
  expect([fleet.remote.refs.get(me.logRef), fleet.remote.refs.get(me.cardRef)]).toEqual([log, card]);
});

describe("restoreMeta()", () => {
  test("writes the same commit again where it is still here", async () => {
    const known = fleet.remote.refs.get(META);
    fleet.remote.put(META, [], null);
    expect(await restoreMeta(me.sendPorts, PATIENTLY)).toEqual({ ok: true, value: null });
    expect(fleet.remote.refs.get(META)).toBe(known ?? "");
  });

  test("writes one of the same content where it is not", async () => {
    me.store.objects.delete(knownMeta(me.state) ?? "");
    fleet.remote.put(META, [], null);
    await fleet.clock.advance(5000);
    await restoreMeta(me.sendPorts, PATIENTLY);
    expect(knownMeta(me.state)).toBe(fleet.remote.refs.get(META) ?? "");
    expect(await judgeMeta(me.sendPorts, fleet.remote.refs.get(META) ?? null)).toBe("ours");
  });

  test("leaves alone what somebody else wrote first", async () => {
    const other = putMeta(OTHER);
    await restoreMeta(me.sendPorts, PATIENTLY);
    expect(fleet.remote.refs.get(META)).toBe(other);
  });
});
