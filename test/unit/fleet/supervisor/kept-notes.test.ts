import { beforeEach, expect, test } from "bun:test";
import { KeptNotes } from "../../../../src/fleet/supervisor/kept-notes.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";
import { MemoryDatabase } from "../../../helpers/memory-database.ts";

let database = new MemoryDatabase();
let clock = new FakeClock();
let told: string[] = [];
let notes = new KeptNotes(database, { clock, onTrouble: () => undefined, onWell: () => undefined });
beforeEach(() => {
  database = new MemoryDatabase();
  database.run("CREATE TABLE rows(value TEXT)");
  clock = new FakeClock();
  told = [];
  notes = new KeptNotes(database, {
    clock,
    onTrouble: (detail) => told.push(detail),
    onWell: () => told.push("well"),
  });
});

const note = (about: string, value: string): void =>
  notes.note(about, [{ sql: "INSERT INTO rows VALUES(?)", values: [value] }]);
const rows = (): unknown[] => database.all<{ value: string }>("SELECT * FROM rows").map(({ value }) => value);

test("KeptNotes write at once what can be written", () => {
  note("a", "1");
  expect([rows(), told]).toEqual([["1"], []]);
});

test("KeptNotes try again until it can be, in order, the later of two about the same", async () => {
  database.failAlways("INSERT");
  for (const [about, value] of ["a1", "b1", "a2"].map((text) => [text[0] ?? "", text] as const))
    note(about, value);
  await clock.advance(60_000);
  expect([rows(), told]).toEqual([[], ["Cannot use database: disk I/O error"]]);
  database.failAlways(null);
  await clock.advance(2_000);
  expect([rows(), told.at(-1)]).toEqual([["b1", "a2"], "well"]);
  note("c", "c1");
  expect(rows()).toEqual(["b1", "a2", "c1"]);
});

test("KeptNotes are taken along by what has to be durable, or stay when that is refused", async () => {
  database.failAlways("INSERT");
  note("a", "a1");
  const durably = (): void => notes.durably(() => database.run("INSERT INTO rows VALUES('durable')"));
  expect(durably).toThrow("disk I/O error");
  database.failAlways(null);
  durably();
  await clock.advance(60_000);
  expect([rows(), told]).toEqual([
    ["a1", "durable"],
    ["Cannot use database: disk I/O error", "well"],
  ]);
});

test("KeptNotes write what they can when they are closed, and nothing after it", async () => {
  database.failOnce("INSERT");
  note("a", "a1");
  notes.close();
  note("b", "b1");
  await clock.advance(60_000);
  expect(rows()).toEqual(["a1"]);
});
