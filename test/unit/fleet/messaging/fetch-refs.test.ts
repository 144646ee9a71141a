import { describe, expect, test } from "bun:test";
import type { GitRemote } from "../../../../src/base/ports/git-remote.ts";
import { fail } from "../../../../src/base/result.ts";
import { fetchRefs } from "../../../../src/fleet/messaging/fetch-refs.ts";
import { listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { MemoryFleet, PATIENTLY } from "../../../helpers/memory-fleet.ts";

/** A fleet of two, where `b` may fetch, and a ref of a stranger stands beside the log of `a`. */
async function fleetWithOddRef() {
  const fleet = new MemoryFleet();
  const a = await fleet.add("a");
  const b = await fleet.add("b");
  await a.send({ to: ["b"], body: "news" });
  const tip = fleet.remote.refs.get(a.logRef) ?? "";
  fleet.remote.refs.set("refs/fleet/log/a/below", tip);
  return { a, b, tip };
}

/** As a host that can only be fetched from whole, where git cannot store one of its refs. */
function withoutPatterns(remote: GitRemote, kind: "failed" | "unreachable"): GitRemote {
  return {
    displayUrl: remote.displayUrl,
    folder: remote.folder,
    push: (updates, options) => remote.push(updates, options),
    listRefs: (prefixes, options) => remote.listRefs(prefixes, options),
    clearStaleLock: (ref, nowWallMs) => remote.clearStaleLock(ref, nowWallMs),
    listsCheaply: () => Promise.resolve(false),
    fetch: (refspecs, options) =>
      refspecs.some((one) => one.includes("*"))
        ? Promise.resolve(fail({ kind, detail: "cannot lock ref" }))
        : remote.fetch(refspecs, options),
  };
}

describe("fetchRefs()", () => {
  test("fetchRefs() fetches no ref that is named like no server, and shows it", async () => {
    const { a, b, tip } = await fleetWithOddRef();
    await fetchRefs(b.receivePorts, PATIENTLY);
    const shown = listQuarantine(b.index).map(({ server, place }) => [server, place]);
    expect([b.store.refs.get(a.logRef), b.store.refs.has("refs/fleet/log/a/below"), shown]).toEqual([
      tip,
      false,
      [["a/below", tip]],
    ]);
  });

  test("fetchRefs() fetches by name where git cannot store everything", async () => {
    const { a, b, tip } = await fleetWithOddRef();
    const ports = { ...b.receivePorts, remote: withoutPatterns(b.machine.remote, "failed") };
    const fetched = await fetchRefs(ports, PATIENTLY);
    expect([fetched.ok, b.store.refs.get(a.logRef)]).toEqual([true, tip]);
  });

  test("fetchRefs() asks an unreachable remote once", async () => {
    const { b } = await fleetWithOddRef();
    const ports = { ...b.receivePorts, remote: withoutPatterns(b.machine.remote, "unreachable") };
    expect(await fetchRefs(ports, PATIENTLY)).toEqual(
      fail({ kind: "unreachable", detail: "cannot lock ref" }),
    );
  });
});
