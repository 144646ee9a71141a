import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { displayWidth } from "../../../../src/cli/output/display-width.ts";
import { createStyle } from "../../../../src/cli/output/style.ts";
import { renderTable } from "../../../../src/cli/output/table.ts";

const plain = createStyle(() => false);
const colour = createStyle(() => true);
const COLUMNS = [
  { title: "ID", keepWhole: true },
  { title: "FROM" },
  { title: "SIZE", align: "right" },
] as const;

describe("renderTable()", () => {
  test("renderTable() aligns by what a screen shows", () => {
    const rows = [
      ["m1", "日本", "9"],
      ["m2", "web1", "1200"],
    ];
    expect(String(renderTable({ columns: COLUMNS, rows }, plain, 80))).toBe(
      ["ID  FROM  SIZE", "m1  日本     9", "m2  web1  1200"].join("\n"),
    );
  });

  test("renderTable() makes every cell visible and keeps colours apart", () => {
    const rows = [["m1", colour.red("down"), "\u001B[2J\n"]];
    const [header, row] = String(renderTable({ columns: COLUMNS, rows }, colour, 80)).split("\n");
    expect(header).toStartWith("\u001B[2mID\u001B[22m");
    expect(row).toBe("m1  \u001B[31mdown\u001B[39m  ␛[2J␊");
  });

  test("renderTable() cuts the widest column that may be cut", () => {
    const rows = [["0123456789012345", "a long name of a server", "12"]];
    expect(String(renderTable({ columns: COLUMNS, rows }, plain, 34)).split("\n")[1]).toBe(
      "0123456789012345  a long na…    12",
    );
  });

  test("renderTable() lets no line end in spaces", () => {
    const rows = [["m1", "", ""], ["m2"], []];
    const columns = [{ title: "ID" }, { title: "FROM" }, { title: "SUBJECT" }];
    expect(String(renderTable({ columns, rows }, plain, 80))).toBe("ID  FROM  SUBJECT\nm1\nm2\n");
  });

  test("renderTable() fits the width, whatever is in the cells", () => {
    const cell = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
    const columns = [{ title: "A" }, { title: "B" }, { title: "C" }];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 4 }),
        fc.integer({ min: 24, max: 60 }),
        (rows, width) => {
          const lines = String(renderTable({ columns, rows }, plain, width)).split("\n");
          return lines.length === rows.length + 1 && lines.every((line) => displayWidth(line) <= width);
        },
      ),
    );
  });
});
