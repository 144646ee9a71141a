import { beforeEach, describe, expect, test } from "bun:test";
import {
  addQuarantine,
  clearAlarm,
  isRaised,
  listAlarms,
  listQuarantine,
  raiseAlarm,
} from "../../../../src/fleet/messaging/index-troubles.ts";
import { memoryIndex, memoryState } from "../../../helpers/memory-database.ts";

let index = memoryIndex(memoryState());
beforeEach(() => {
  index = memoryIndex(memoryState());
});

test("addQuarantine() keeps the first reason of a place; listQuarantine() is newest first", () => {
  addQuarantine(index, { server: "code2", place: "a", reason: "first" }, 1);
  addQuarantine(index, { server: "code2", place: "a", reason: "second" }, 2);
  addQuarantine(index, { server: "code2", place: "b", reason: "third" }, 3);
  expect(listQuarantine(index).map((one) => [one.reason, one.seenWallMs])).toEqual([
    ["third", 3],
    ["first", 1],
  ]);
});

describe("alarms", () => {
  const alarm = { server: "code2", kind: "hidden", detail: "one" };

  test("show from their second look on, with the newest detail", () => {
    raiseAlarm(index, alarm, 1);
    expect(listAlarms(index)).toEqual([]);
    raiseAlarm(index, { ...alarm, detail: "two" }, 2);
    expect(listAlarms(index)).toEqual([{ ...alarm, detail: "two", rounds: 2 }]);
  });

  test("end one by one, and count from the start when they come again", () => {
    for (const kind of ["hidden", "rewritten"])
      for (const _ of [1, 2]) raiseAlarm(index, { ...alarm, kind }, 1);
    clearAlarm(index, "code2", "hidden");
    expect(listAlarms(index).map((one) => one.kind)).toEqual(["rewritten"]);
    raiseAlarm(index, alarm, 3);
    expect(listAlarms(index).map((one) => one.kind)).toEqual(["rewritten"]);
  });

  test("isRaised() knows an alarm by its exact detail, from the first look on", () => {
    expect(isRaised(index, alarm)).toBe(false);
    raiseAlarm(index, alarm, 1);
    expect(isRaised(index, alarm)).toBe(true);
    expect(isRaised(index, { ...alarm, detail: "two" })).toBe(false);
  });

  test("clearAlarm() of none changes nothing", () => {
    raiseAlarm(index, alarm, 1);
    clearAlarm(index, "code3", "hidden");
    expect(isRaised(index, alarm)).toBe(true);
  });
});
