import { expect, test } from "bun:test";
import { prepareIndex, prepareState } from "../../../../src/fleet/messaging/mailbox-tables.ts";
import { MemoryDatabase } from "../../../helpers/memory-database.ts";

const tablesOf = (database: MemoryDatabase): string[] => Object.keys(database.dump());

/** The tables of the first layout that later steps add columns to. */
const FIRST_LAYOUT = {
  outbox:
    "position INTEGER PRIMARY KEY, id TEXT, type TEXT, draft TEXT, created_wall_ms INTEGER, state TEXT DEFAULT 'queued'",
  batches: "number INTEGER PRIMARY KEY, commit_id TEXT, state TEXT",
  peers: "server TEXT PRIMARY KEY",
  expected: "message_id TEXT, server TEXT",
  settings: "key TEXT PRIMARY KEY, value TEXT",
};

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

test("prepareState() brings a file of the first layout to the newest, and keeps what is in it", () => {
  const [old, fresh] = [new MemoryDatabase(), new MemoryDatabase()];
  prepareState(fresh);
  for (const [name, columns] of Object.entries(FIRST_LAYOUT)) old.run(`CREATE TABLE ${name}(${columns})`);
  old.run("PRAGMA user_version = 1");
  old.run("INSERT INTO outbox(id, type, draft, created_wall_ms) VALUES('one', 'message', '{}', 7)");
  old.run("INSERT INTO batches VALUES(3, 'aa', 'pushed'), (5, 'bb', 'pushed')");
  old.run("INSERT INTO settings VALUES('head', 'the end of bb')");
  prepareState(old);
  expect(tablesOf(old)).toEqual(expect.arrayContaining(["batch_entries", "runs", "operations", "counters"]));
  expect(old.get("SELECT id, unreachable, refused FROM outbox")).toEqual({
    id: "one",
    unreachable: 0,
    refused: 0,
  });
  expect(old.all("SELECT number, parent, head FROM batches")).toEqual([
    { number: 3, parent: null, head: "" },
    { number: 5, parent: 3, head: "the end of bb" },
  ]);
  const versionOf = (one: MemoryDatabase) => one.get("PRAGMA user_version");
  expect(versionOf(old)).toEqual(versionOf(fresh));
});

test.each([
  ["state.db", prepareState],
  ["index.db", prepareIndex],
])("the layout of a newer fleetd is refused in %s, by name", (file, prepare) => {
  const database = new MemoryDatabase();
  database.run("PRAGMA user_version = 1000");
  expect(() => prepare(database)).toThrow(
    `Cannot open "${file}": its layout is 1000, this fleetd knows up to`,
  );
});
