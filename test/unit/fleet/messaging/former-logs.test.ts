import { expect, test } from "bun:test";
import { keepFormer, listFormer } from "../../../../src/fleet/messaging/former-logs.ts";
import { MemoryStore } from "../../../helpers/memory-git.ts";

const tip = (digit: string): string => digit.repeat(40);

test("keepFormer() keeps each end of a log once, and listFormer() tells them oldest first", () => {
  const store = new MemoryStore();
  for (const digit of ["b", "a", "b", "c", "a"]) keepFormer(store, "code1", tip(digit));
  keepFormer(store, "code10", tip("d"));
  expect(listFormer(store, "code1")).toEqual([tip("b"), tip("a"), tip("c")]);
  expect(listFormer(store, "code10")).toEqual([tip("d")]);
  expect(listFormer(store, "code2")).toEqual([]);
});

test("more than nine of them stay in order", () => {
  const store = new MemoryStore();
  const tips = Array.from({ length: 12 }, (_, place) => place.toString(16).repeat(40));
  for (const one of tips) keepFormer(store, "code1", one);
  expect(listFormer(store, "code1")).toEqual(tips);
});
