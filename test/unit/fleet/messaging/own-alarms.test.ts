import { expect, test } from "bun:test";
import {
  describeOwnAlarm,
  endOwnAlarms,
  HOLDS,
  holdOf,
  listOwnAlarms,
  raiseOwnAlarm,
} from "../../../../src/fleet/messaging/own-alarms.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const DAY_MS = 24 * 3_600_000;

test("raiseOwnAlarm() is news once, keeps its beginning, and takes new words", () => {
  const state = memoryState();
  expect(raiseOwnAlarm(state, { kind: "stranger", detail: "one" }, 1000)).toBe(true);
  expect(raiseOwnAlarm(state, { kind: "stranger", detail: "one" }, 2000)).toBe(false);
  expect(raiseOwnAlarm(state, { kind: "stranger", detail: "two" }, 3000)).toBe(false);
  expect(listOwnAlarms(state, 3000)).toEqual([
    { kind: "stranger", held: false, detail: "two", firstWallMs: 1000, endedWallMs: null },
  ]);
});

test("holdOf() is the last hold, and null once it ended", () => {
  const state = memoryState();
  expect(holdOf(state)).toBeNull();
  raiseOwnAlarm(state, { kind: "stranger", detail: "junk" }, 1);
  expect(holdOf(state)).toBeNull();
  raiseOwnAlarm(state, { kind: "other-machine", detail: "twin" }, 2);
  raiseOwnAlarm(state, { kind: "other-fleet", detail: "elsewhere" }, 3);
  expect(holdOf(state)).toMatchObject({ kind: "other-fleet", detail: "elsewhere" });
  expect(endOwnAlarms(state, ["other-fleet"], 4)).toBe(true);
  expect(endOwnAlarms(state, ["other-fleet"], 5)).toBe(false);
  expect(holdOf(state)).toBeNull();
});

test("describeOwnAlarm() says of strangers' commits whether they were passed over", () => {
  const state = memoryState();
  const told = () => listOwnAlarms(state, 2000).map(describeOwnAlarm);
  raiseOwnAlarm(state, { kind: "stranger", detail: "junk" }, 1000);
  expect(told()).toEqual(["junk; its next batch passes them over"]);
  endOwnAlarms(state, ["stranger"], 1500);
  raiseOwnAlarm(state, { kind: "card", detail: "a card" }, 1600);
  expect(told()).toEqual(["a card", "junk; they were passed over since"]);
});

test("listOwnAlarms() shows what ended for a day, and no hold that is over; holds come first", () => {
  const state = memoryState();
  raiseOwnAlarm(state, { kind: "card", detail: "card" }, 1);
  raiseOwnAlarm(state, { kind: "id-taken", detail: "taken" }, 2);
  expect(listOwnAlarms(state, 3).map(({ kind }) => kind)).toEqual(["id-taken", "card"]);
  endOwnAlarms(state, ["card", "id-taken"], 10);
  expect(listOwnAlarms(state, 11).map(({ kind }) => kind)).toEqual(["card"]);
  expect(listOwnAlarms(state, 10 + DAY_MS)).toEqual([]);
  expect(raiseOwnAlarm(state, { kind: "card", detail: "card" }, 20 + DAY_MS)).toBe(true);
  expect(listOwnAlarms(state, 20 + DAY_MS)).toMatchObject([{ firstWallMs: 20 + DAY_MS }]);
});

test("HOLDS end commands with 77, and with 75 where waiting is all it takes", () => {
  expect(HOLDS).toEqual({
    "other-machine": "NOT_AUTHORISED",
    "id-taken": "NOT_AUTHORISED",
    "other-fleet": "NOT_YET",
  });
});
