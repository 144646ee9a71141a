import { expect, test } from "bun:test";
import { prepareLayout } from "../../../src/base/database-layout.ts";
import { MemoryDatabase } from "../../helpers/memory-database.ts";

test("prepareLayout() runs each step once, in order, and only what a file has not taken", () => {
  const database = new MemoryDatabase();
  prepareLayout(database, ["CREATE TABLE one(a INTEGER)"], "some.db");
  database.run("INSERT INTO one VALUES(1)");
  prepareLayout(database, ["CREATE TABLE one(a INTEGER)", "ALTER TABLE one ADD COLUMN b INTEGER"], "some.db");
  expect(database.all("SELECT a, b FROM one")).toEqual([{ a: 1, b: null }]);
});

test("prepareLayout() refuses the file of a newer fleetd by its name", () => {
  const database = new MemoryDatabase();
  database.run("PRAGMA user_version = 9");
  expect(() => prepareLayout(database, ["SELECT 1"], "some.db")).toThrow(
    'Cannot open "some.db": its layout is 9, this fleetd knows up to 1',
  );
});
