import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { encodeCommit, toGitObject } from "../../../../src/fleet/messaging/git-encoding.ts";
import {
  committedMsOf,
  dropGraft,
  graftFor,
  graftOf,
  isRootOfGraft,
  saveGraft,
} from "../../../../src/fleet/messaging/graft.ts";
import { confirmedBatch } from "../../../../src/fleet/messaging/take-back.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

const TIP = "ab".repeat(20);
let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

describe("graftOf()", () => {
  test("holds for the batch on its base alone, and is over once the log went on", () => {
    const base = confirmedBatch(me.state)?.tip ?? "";
    expect(graftOf(me.state)).toBeNull();
    saveGraft(me.state, { base, tip: TIP, committedMs: 0 });
    expect(graftFor(me.state, base)).toEqual({ base, tip: TIP, committedMs: 0 });
    expect(graftFor(me.state, "cd".repeat(20))).toBeNull();
    expect(graftFor(me.state, null)).toBeNull();
    dropGraft(me.state);
    expect(graftOf(me.state)).toBeNull();
    saveGraft(me.state, { base: TIP, tip: TIP, committedMs: 0 });
    expect(graftOf(me.state)).toBeNull();
  });

  test("before a first batch makes that one a root of one entry, and stands beside the second", async () => {
    const fresh = await fleet.join("code2");
    expect(isRootOfGraft(fresh.state, null)).toBe(false);
    saveGraft(fresh.state, { base: null, tip: TIP, committedMs: 0 });
    expect(isRootOfGraft(fresh.state, null)).toBe(true);
    expect(isRootOfGraft(fresh.state, TIP)).toBe(false);
    expect(graftFor(fresh.state, null)).toBeNull();
  });
});

describe("committedMsOf()", () => {
  const NOW_MS = 1_800_000_000_000;
  const put = (committedMs: number): string => {
    const facts = {
      tree: TIP,
      parent: null,
      server: "x",
      committedMs,
      message: "x\n\ncommitter y <y> 9 +0000",
    };
    const tools = { format: "sha1", cryptography: systemCryptography } as const;
    const commit = toGitObject("commit", encodeCommit(facts), tools);
    me.store.writeObjects([commit], false);
    return commit.id;
  };

  test("is what the commit's header says, up to a day ahead", async () => {
    expect(await committedMsOf(me.store, put(NOW_MS - 5000), NOW_MS)).toBe(NOW_MS - 5000);
    expect(await committedMsOf(me.store, put(NOW_MS + 3_600_000), NOW_MS)).toBe(NOW_MS + 3_600_000);
  });

  test("is 0 for a date that would poison ours, and for what is no commit", async () => {
    expect(await committedMsOf(me.store, put(NOW_MS + 400 * 24 * 3_600_000), NOW_MS)).toBe(0);
    expect(await committedMsOf(me.store, TIP, NOW_MS)).toBe(0);
    const blob = toGitObject("blob", toUtf8("x"), { format: "sha1", cryptography: systemCryptography });
    me.store.writeObjects([blob], false);
    expect(await committedMsOf(me.store, blob.id, NOW_MS)).toBe(0);
  });
});
