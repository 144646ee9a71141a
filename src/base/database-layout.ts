import { FleetError } from "./errors.ts";
import type { Database } from "./ports/database.ts";

/**
 * Makes or completes the tables of a database: each of `steps` is SQL that is run once in the life of a file, in this
 * order; `PRAGMA user_version` holds how many it has taken. `file` is its name for people.
 * @throws FleetError IO when a newer fleetd made the file
 */
export function prepareLayout(database: Database, steps: readonly string[], file: string): void {
  if (layoutOf(database, steps.length, file) === steps.length) return;
  database.transaction(() => {
    // Two processes may come here at once; the second finds the tables made.
    const missing = steps.slice(layoutOf(database, steps.length, file));
    for (const statement of missing.join(";").split(";")) {
      if (statement.trim() !== "") database.run(statement);
    }
    database.run(`PRAGMA user_version = ${steps.length}`);
  });
}

function layoutOf(database: Database, known: number, file: string): number {
  const layout = database.get<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
  if (layout <= known) return layout;
  throw new FleetError(
    "IO",
    `Cannot open "${file}": its layout is ${layout}, this fleetd knows up to ${known}`,
    { hint: "Use the newer fleetd that made it" },
  );
}
