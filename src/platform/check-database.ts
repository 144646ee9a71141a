import { Database as Sqlite } from "bun:sqlite";
import { existsSync } from "node:fs";
import { messageOf } from "../base/errors.ts";

/** Whether a database is whole: `missing`, `whole`, or what SQLite found wrong, first things first. */
export function checkDatabase(path: string): "missing" | "whole" | { readonly problem: string } {
  if (!existsSync(path)) return "missing";
  let sqlite: Sqlite | null = null;
  try {
    sqlite = new Sqlite(path, { create: false, readwrite: true });
    const rows = sqlite.query<{ quick_check: string }, []>("PRAGMA quick_check(5)").all();
    // A line before the findings says in which of several databases they are; here is one.
    const found = rows.map((row) => row.quick_check.replace(/^\*\*\* in database \w+ \*\*\*\n/, ""));
    return found.length === 1 && found[0] === "ok" ? "whole" : { problem: found.join("; ") };
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  } finally {
    sqlite?.close();
  }
}
