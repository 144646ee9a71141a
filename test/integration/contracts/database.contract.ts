import { describe, expect, test } from "bun:test";
import { FleetError } from "../../../src/base/errors.ts";
import type { Database } from "../../../src/base/ports/database.ts";
import { prepareIndex, prepareState } from "../../../src/fleet/messaging/mailbox-tables.ts";

/** Two databases as a server has them: the index sees the state as `mine`. */
export interface DatabasesUnderTest {
  readonly state: Database;
  readonly index: Database;
}

/** What everybody may expect of a `Database`. */
export function databaseContract(name: string, make: () => DatabasesUnderTest): void {
  const withTable = (): Database => {
    const { state } = make();
    state.run("CREATE TABLE things(name TEXT PRIMARY KEY, size INTEGER, content BLOB)");
    return state;
  };

  describe(`Database: ${name}`, () => {
    test("run() answers how many rows it changed", () => {
      const database = withTable();
      expect(database.run("INSERT INTO things(name) VALUES(?), (?)", "a", "b")).toBe(2);
      expect(database.run("UPDATE things SET size = 1 WHERE name = ?", "a")).toBe(1);
      expect(database.run("UPDATE things SET size = 1 WHERE name = ?", "z")).toBe(0);
      expect(database.run("INSERT INTO things(name) VALUES(?) ON CONFLICT DO NOTHING", "a")).toBe(0);
    });

    test("get() and all() give every kind of value back as it was stored", () => {
      const database = withTable();
      const content = new Uint8Array([0, 255, 10]);
      database.run("INSERT INTO things VALUES(?, ?, ?)", "a", Number.MAX_SAFE_INTEGER, content);
      database.run("INSERT INTO things VALUES(?, ?, ?)", "b", null, null);
      const rows = database.all<{ name: string; size: number | null; content: Uint8Array | null }>(
        "SELECT * FROM things ORDER BY name",
      );
      expect(rows.map(({ name, size }) => [name, size])).toEqual([
        ["a", Number.MAX_SAFE_INTEGER],
        ["b", null],
      ]);
      expect([...(rows[0]?.content ?? [])]).toEqual([0, 255, 10]);
      expect(rows[1]?.content).toBeNull();
      expect(database.get("SELECT name FROM things WHERE name = ?", "z")).toBeNull();
      expect(database.all("SELECT name FROM things WHERE name = ?", "z")).toEqual([]);
    });

    for (const way of ["transaction", "relaxedTransaction"] as const) {
      test(`${way}() keeps all of it and gives the body's value back`, () => {
        const database = withTable();
        const value = database[way](() => {
          database.run("INSERT INTO things(name) VALUES('a')");
          database.run("INSERT INTO things(name) VALUES('b')");
          return "done";
        });
        expect(value).toBe("done");
        expect(database.get("SELECT count(*) AS count FROM things")).toEqual({ count: 2 });
      });

      test(`${way}() keeps nothing of a body that throws, throws the same, and the next one works`, () => {
        const database = withTable();
        const reason = new Error("no");
        const attempt = (): void =>
          database[way](() => {
            database.run("INSERT INTO things(name) VALUES('a')");
            throw reason;
          });
        expect(attempt).toThrow(reason);
        expect(database.all("SELECT * FROM things")).toEqual([]);
        database[way](() => database.run("INSERT INTO things(name) VALUES('b')"));
        expect(database.all("SELECT name FROM things")).toEqual([{ name: "b" }]);
      });
    }

    test("transaction() refuses to start inside another one", () => {
      const database = withTable();
      expect(() => database.transaction(() => database.transaction(() => 1))).toThrow();
      expect(database.transaction(() => 2)).toBe(2);
    });

    test("the index reads what the state holds now, as mine", () => {
      const { state, index } = make();
      state.run("INSERT INTO settings VALUES('a', '1')");
      expect(index.get("SELECT value FROM mine.settings WHERE key = 'a'")).toEqual({ value: "1" });
      state.run("UPDATE settings SET value = '2'");
      expect(index.get("SELECT value FROM mine.settings WHERE key = 'a'")).toEqual({ value: "2" });
    });

    test("prepareState() and prepareIndex() find their tables made and change nothing", () => {
      const { state, index } = make();
      state.run("INSERT INTO settings VALUES('a', '1')");
      prepareState(state);
      prepareIndex(index);
      expect(state.all("SELECT * FROM settings")).toEqual([{ key: "a", value: "1" }]);
    });

    test("prepareState() refuses a layout of a newer fleetd", () => {
      const { state } = make();
      state.run("PRAGMA user_version = 99");
      expect(() => prepareState(state)).toThrow(FleetError);
    });
  });
}
