import { expect, test } from "bun:test";
import { prepareIndex, prepareState } from "../../../../src/fleet/messaging/mailbox-tables.ts";
import { MemoryDatabase } from "../../../helpers/memory-database.ts";

const tablesOf = (database: MemoryDatabase): string[] => Object.keys(database.dump());

test("prepareState() makes the tables of what must survive", () => {
  const state = new MemoryDatabase();
  prepareState(state);
  const tables = ["batches", "buckets", "expected", "journal", "marks", "outbox", "peers", "settings"];
  expect(tablesOf(state)).toEqual(expect.arrayContaining(tables));
});

test("prepareIndex() makes the tables of what can be made again, and none that the state has", () => {
  const [state, index] = [new MemoryDatabase(), new MemoryDatabase()];
  prepareState(state);
  prepareIndex(index);
  const shared = tablesOf(index).filter((name) => tablesOf(state).includes(name));
  expect(tablesOf(index)).toEqual(expect.arrayContaining(["entries", "progress", "receipts", "cards"]));
  expect(shared).toEqual([]);
});

test("prepareState() that was cut off leaves nothing, and does it all the next time", () => {
  const state = new MemoryDatabase();
  state.failOnce("CREATE TABLE journal");
  expect(() => prepareState(state)).toThrow("disk I/O error");
  expect(tablesOf(state)).toEqual([]);
  prepareState(state);
  expect(tablesOf(state)).toContain("journal");
});

test("prepareState() writes nothing into a database that is ready", () => {
  const state = new MemoryDatabase();
  prepareState(state);
  prepareState(state);
  expect(state.commits).toBe(1);
});

test.each([
  ["state.db", prepareState],
  ["index.db", prepareIndex],
])("the layout of a newer fleetd is refused in %s, by name", (file, prepare) => {
  const database = new MemoryDatabase();
  database.run("PRAGMA user_version = 2");
  expect(() => prepare(database)).toThrow(
    `Cannot open "${file}": its layout is 2, this fleetd knows up to 1`,
  );
});
