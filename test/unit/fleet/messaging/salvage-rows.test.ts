import { describe, expect, test } from "bun:test";
import {
  type FoundRow,
  indexedIds,
  insertRows,
  matchRow,
  readShapes,
  sortRows,
} from "../../../../src/fleet/messaging/salvage-rows.ts";
import { memoryState } from "../../../helpers/memory-database.ts";
import { MemoryFleet } from "../../../helpers/memory-fleet.ts";

const ID = "01a202b5-504f-728b-855a-db47656e9b98";
const OTHER = "01a202b5-504f-728b-855a-db47656e9b99";
const shapes = readShapes(memoryState());
const shapeOf = (name: string) => {
  const found = shapes.find((shape) => shape.name === name);
  if (found === undefined) throw new Error(`no table ${name}`);
  return found;
};

/** Rows as they lie in the leaves of a file: an integer key is in the rowid, not among the values. */
function asFound(database: ReturnType<typeof memoryState>): FoundRow[] {
  return shapes.flatMap((shape) =>
    database.all(`SELECT * FROM ${shape.name}`).map((row) => {
      const values = shape.columns.map((column) => (column.isRowid ? null : (row[column.name] ?? null)));
      const key = shape.columns.find((column) => column.isRowid);
      return { rowid: shape.hasRowid ? Number(row[key?.name ?? ""] ?? 1) : null, values };
    }),
  );
}

describe("sortRows() and insertRows()", () => {
  test("every row of a state that was used comes back in its table", async () => {
    const fleet = new MemoryFleet();
    const [me, other] = [await fleet.add("code1"), await fleet.add("code2")];
    await other.send({ to: ["code1"], body: "How are you?" });
    await me.receive();
    me.answer();
    await me.send({ to: ["all"] });
    me.queue({ to: ["code2"] });
    const again = memoryState();
    const rows = asFound(me.state).toReversed();
    again.transaction(() => insertRows(again, sortRows(shapes, rows)));
    expect(again.dump()).toEqual(me.state.dump());
  });

  test("of several versions of a row the first one stays", () => {
    const again = memoryState();
    const row = (value: string): FoundRow => ({ rowid: null, values: ["run", value] });
    const sorted = sortRows(shapes, [row("new"), row("old")]);
    expect(again.transaction(() => insertRows(again, sorted)).get("settings")).toBe(1);
    expect(again.get<{ value: string }>("SELECT value FROM settings")?.value).toBe("new");
  });

  test("a setting that has to be JSON and is none any more is left out", () => {
    const again = memoryState();
    const sorted = sortRows(shapes, [{ rowid: null, values: ["head", '{"epoch'] }]);
    expect(again.transaction(() => insertRows(again, sorted)).get("settings")).toBe(0);
  });

  test("a pause that was ended is kept as such, one that cannot be read is left out", () => {
    const again = memoryState();
    const rows = ['{"sinceWallMs', ""].map((value) => ({ rowid: null, values: ["auto_pause", value] }));
    const sorted = sortRows(shapes, rows);
    expect(again.transaction(() => insertRows(again, sorted)).get("settings")).toBe(1);
    expect(again.get<{ value: string }>("SELECT value FROM settings")?.value).toBe("");
  });

  test.each<[string, FoundRow]>([
    ["a number where text belongs", { rowid: null, values: ["head", 1] }],
    ["an entry whose draft is no JSON", { rowid: 1, values: [null, ID, "message", "{", 1, "queued"] }],
    ["an entry without an id", { rowid: 1, values: [null, "nobody", "message", "", 1, "queued"] }],
    ["more values than any table has columns", { rowid: 1, values: Array.from({ length: 60 }, () => 1) }],
    ["nothing", { rowid: null, values: [] }],
  ])("%s is no row", (_, row) => {
    expect([...sortRows(shapes, [row]).values()].flat()).toEqual([]);
  });
});

describe("matchRow()", () => {
  test("takes a row that was written before columns were added", () => {
    const values = [null, ID, "message", "{}", 5, "queued", null, null, null, null];
    const row = matchRow(shapeOf("outbox"), { rowid: 7, values });
    expect(row).toMatchObject({ position: 7, id: ID, state: "queued" });
    expect(row).not.toHaveProperty("refused");
  });

  test("tells counters from entries of batches by what stands in them", () => {
    const counter: FoundRow = { rowid: null, values: [29_000_000, "errors", 3] };
    const entry: FoundRow = { rowid: null, values: [4, ID, 3] };
    const sorted = sortRows(shapes, [counter, entry]);
    expect(sorted.get("counters")).toEqual([{ minute: 29_000_000, name: "errors", count: 3 }]);
    expect(sorted.get("batch_entries")).toEqual([{ batch: 4, id: ID, seq: 3 }]);
  });
});

describe("indexedIds()", () => {
  test("finds ids and their places in an index", () => {
    const rows: FoundRow[] = [
      { rowid: null, values: [ID, 3] },
      { rowid: 4, values: [OTHER, 3] },
      { rowid: null, values: ["code1", 3] },
      { rowid: null, values: [ID, "x"] },
    ];
    expect([...indexedIds(rows)]).toEqual([[ID, 3]]);
  });
});
