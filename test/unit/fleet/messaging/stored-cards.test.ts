import { expect, test } from "bun:test";
import { findCard, listCards, saveCard } from "../../../../src/fleet/messaging/stored-cards.ts";
import { MemoryFleet } from "../../../helpers/memory-fleet.ts";

test("a card that is stored replaces the one before, and is found by its server", async () => {
  const fleet = new MemoryFleet();
  const me = await fleet.add("code1");
  await fleet.add("code2");
  await me.receive();
  const first = findCard(me.index, "code2");
  if (first === null) throw new Error("code2 has shown no card");
  const next = {
    ...first,
    commitId: "next",
    card: { ...first.card, n: first.card.n + 1 },
    receivedWallMs: 7,
  };
  saveCard(me.index, next);
  expect(findCard(me.index, "code2")).toEqual(next);
  expect(listCards(me.index)).toEqual([next]);
  expect(findCard(me.index, "code3")).toBeNull();
});
