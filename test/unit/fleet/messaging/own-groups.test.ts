import { expect, test } from "bun:test";
import { ownGroups, setOwnGroups } from "../../../../src/fleet/messaging/own-groups.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("ownGroups() of a new server are none", () => {
  expect(ownGroups(memoryState())).toEqual([]);
});

test("setOwnGroups() says whether that is news, whatever the order", () => {
  const state = memoryState();
  expect(setOwnGroups(state, [])).toBe(false);
  expect(setOwnGroups(state, ["web", "db", "db"])).toBe(true);
  expect(ownGroups(state)).toEqual(["db", "web"]);
  expect(setOwnGroups(state, ["db", "web"])).toBe(false);
  expect(setOwnGroups(state, ["db"])).toBe(true);
  expect(ownGroups(state)).toEqual(["db"]);
});
