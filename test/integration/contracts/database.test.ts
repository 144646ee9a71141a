import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../../src/base/ports/database.ts";
import { prepareIndex, prepareState } from "../../../src/fleet/messaging/mailbox-tables.ts";
import { openDatabase } from "../../../src/platform/sqlite-database.ts";
import { memoryIndex, memoryState } from "../../helpers/memory-database.ts";
import { databaseContract } from "./database.contract.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-database-"));
const opened: Database[] = [];
afterAll(() => {
  for (const database of opened) database.close();
  rmSync(folder, { recursive: true, force: true });
});

databaseContract("files", () => {
  const path = join(folder, `state-${opened.length}.db`);
  const state = openDatabase(path, { create: true, durability: "full" });
  prepareState(state);
  const index = openDatabase(`${path}.index`, { create: true, durability: "process" });
  prepareIndex(index);
  index.run("ATTACH DATABASE ? AS mine", path);
  opened.push(index, state);
  return { state, index };
});

databaseContract("memory", () => {
  const state = memoryState();
  return { state, index: memoryIndex(state) };
});
