import type { Database } from "../../src/base/ports/database.ts";
import { prepareState } from "../../src/fleet/messaging/mailbox-tables.ts";
import { openDatabase } from "../../src/platform/sqlite-database.ts";

/** An empty `state.db` in memory. */
export function memoryState(): Database {
  const database = openDatabase(":memory:", { create: true, durability: "process" });
  prepareState(database);
  return database;
}
