import { describe, expect, test } from "bun:test";
import type { GitRemote, RemoteFailure } from "../../../../src/base/ports/git-remote.ts";
import { fail } from "../../../../src/base/result.ts";
import { fetchMoved, isAboutRefs } from "../../../../src/fleet/messaging/fetch-moved.ts";
import { fetchRefs } from "../../../../src/fleet/messaging/fetch-refs.ts";
import { listAlarms } from "../../../../src/fleet/messaging/index-troubles.ts";
import { MemoryFleet, PATIENTLY } from "../../../helpers/memory-fleet.ts";

const DIED: RemoteFailure = { kind: "unreachable", detail: "fatal: early EOF\nremote: fatal: bad tree" };

/** A fleet of `count` senders that have all said something, and a reader whose remote dies of the refs in `bad`. */
async function fleetOf(count: number) {
  const fleet = new MemoryFleet();
  const reader = await fleet.add("reader");
  const senders: Awaited<ReturnType<MemoryFleet["add"]>>[] = [];
  for (let number = 0; number < count; number += 1) senders.push(await fleet.add(`s${number}`));
  for (const sender of senders) await sender.send({ to: ["reader"], body: `of ${sender.logRef}` });
  const bad = new Set<string>();
  const asked: string[][] = [];
  const inner = reader.machine.remote;
  const remote: GitRemote = {
    displayUrl: inner.displayUrl,
    folder: inner.folder,
    push: (updates, options) => inner.push(updates, options),
    listRefs: (prefixes, options) => inner.listRefs(prefixes, options),
    clearStaleLock: (ref, nowWallMs) => inner.clearStaleLock(ref, nowWallMs),
    listsCheaply: () => Promise.resolve(true),
    fetch: (refspecs, options) => {
      asked.push([...refspecs]);
      const isBad = refspecs.some((one) => bad.has(one.slice(1, one.indexOf(":"))));
      return isBad ? Promise.resolve(fail(DIED)) : inner.fetch(refspecs, options);
    },
  };
  const ports = { ...reader.receivePorts, remote };
  const look = async (): Promise<boolean> => (await fetchRefs(ports, PATIENTLY)).ok;
  const alarms = (): string[] => listAlarms(reader.index).map(({ server, kind }) => `${server} ${kind}`);
  const has = (ref: string): boolean => reader.store.refs.get(ref) === fleet.remote.refs.get(ref);
  return { fleet, reader, senders, bad, asked, ports, look, alarms, has };
}

describe("fetchMoved()", () => {
  test("fetchMoved() asks once for everything where nothing is wrong", async () => {
    const { look, asked, senders, has } = await fleetOf(5);
    expect(await look()).toBe(true);
    expect([asked.length, senders.every(({ logRef }) => has(logRef))]).toEqual([1, true]);
  });

  test("fetchMoved() fetches all but the ref that the remote cannot send, and raises an alarm", async () => {
    const { look, bad, senders, has, alarms, asked } = await fleetOf(7);
    bad.add(senders[3]?.logRef ?? "");
    expect([await look(), await look()]).toEqual([true, true]);
    expect(senders.map(({ logRef }) => has(logRef))).toEqual(senders.map((_, number) => number !== 3));
    expect(alarms()).toEqual(["s3 unsendable-log"]);
    // Known to be bad, it no longer stands among the others: nothing is taken apart once more.
    const before = asked.length;
    await senders[1]?.send({ to: ["reader"], body: "more" });
    await look();
    expect([asked.length - before, has(senders[1]?.logRef ?? "")]).toEqual([2, true]);
  });

  test("fetchMoved() ends the alarm as soon as the remote can send it", async () => {
    const { look, bad, senders, has, alarms } = await fleetOf(3);
    const ref = senders[0]?.logRef ?? "";
    bad.add(ref);
    for (let round = 0; round < 2; round += 1) await look();
    bad.clear();
    expect([await look(), has(ref), alarms()]).toEqual([true, true, []]);
  });

  test("fetchMoved() is not stopped by the only ref that moved", async () => {
    const { look, bad, senders, alarms } = await fleetOf(1);
    await look();
    await senders[0]?.send({ to: ["reader"], body: "more" });
    bad.add(senders[0]?.logRef ?? "");
    expect([await look(), await look(), alarms()]).toEqual([true, true, ["s0 unsendable-log"]]);
  });

  test("fetchMoved() gets around any number of bad refs in a few looks", async () => {
    const { look, bad, senders, has } = await fleetOf(12);
    for (const { logRef } of senders.slice(0, 10)) bad.add(logRef);
    for (let round = 0; round < 2; round += 1) await look();
    expect(senders.filter(({ logRef }) => has(logRef))).toEqual(senders.slice(10));
  });

  test("fetchMoved() fails where the remote sends nothing at all", async () => {
    const { look, bad, fleet, alarms } = await fleetOf(3);
    for (const ref of fleet.remote.refs.keys()) bad.add(ref);
    expect([await look(), await look(), alarms()]).toEqual([false, false, []]);
  });

  test("fetchMoved() asks an unreachable remote once", async () => {
    const { ports, senders } = await fleetOf(3);
    let count = 0;
    const away: RemoteFailure = { kind: "unreachable", detail: "connection refused" };
    const fetch: GitRemote["fetch"] = () => {
      count += 1;
      return Promise.resolve(fail(away));
    };
    const remote = { ...ports.remote, fetch };
    const moved = senders.map(({ logRef }, number) => {
      return { server: `s${number}`, kind: "log", source: logRef, target: logRef, id: "1" } as const;
    });
    expect([await fetchMoved({ ...ports, remote }, moved, PATIENTLY), count]).toEqual([fail(away), 1]);
  });
});

describe("isAboutRefs()", () => {
  test.each<[RemoteFailure["kind"], string, boolean]>([
    ["failed", "cannot lock ref", true],
    ["unreachable", "fatal: early EOF\nremote: fatal: bad object x", true],
    ["unreachable", "fatal: early EOF", false],
    ["unauthorised", "remote: fatal: no", false],
    ["timeout", "remote: fatal: no", false],
  ])("isAboutRefs() of %s and %j is %p", (kind, detail, expected) => {
    expect(isAboutRefs({ kind, detail })).toBe(expected);
  });
});
