import { beforeEach, describe, expect, test } from "bun:test";
import { listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { createIndexWriter } from "../../../../src/fleet/messaging/index-writer.ts";
import { type MemoryDatabase, memoryIndex, memoryState } from "../../../helpers/memory-database.ts";

let index: MemoryDatabase;
beforeEach(() => {
  index = memoryIndex(memoryState());
});

const note = (place: string) => () => {
  index.run("INSERT INTO quarantine(server, place, reason, seen_wall_ms) VALUES('code2', ?, 'r', 1)", place);
};
const places = (): string[] =>
  listQuarantine(index)
    .map((one) => one.place)
    .sort();

describe("createIndexWriter()", () => {
  test("writes nothing before it is told to, and then all of it in order", () => {
    const order: string[] = [];
    const writer = createIndexWriter(index);
    for (const place of ["a", "b"]) {
      writer.add(10, () => {
        order.push(place);
        note(place)();
      });
    }
    expect(places()).toEqual([]);
    writer.commit();
    expect(places()).toEqual(["a", "b"]);
    expect(order).toEqual(["a", "b"]);
  });

  test("writes by itself when what it gathered grows large", () => {
    const writer = createIndexWriter(index);
    writer.add(1024 * 1024, note("a"));
    expect(places()).toEqual([]);
    writer.add(1024 * 1024, note("b"));
    expect(places()).toEqual(["a", "b"]);
  });

  test("writes each thing once, and nothing of a transaction that fails", () => {
    const writer = createIndexWriter(index);
    writer.add(1, note("a"));
    writer.commit();
    writer.commit();
    writer.add(1, note("b"));
    writer.add(1, () => {
      throw new Error("the disk is full");
    });
    expect(() => writer.commit()).toThrow("the disk is full");
    expect(places()).toEqual(["a"]);
  });
});
