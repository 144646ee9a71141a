import { prepareIndex, prepareState } from "../../src/fleet/messaging/mailbox-tables.ts";
import { SimFile } from "./sim-database.ts";

/** The two databases of one machine. */
export interface Files {
  readonly state: SimFile;
  readonly index: SimFile;
}

const kept: Files[] = [];

/**
 * The databases of the `position`-th machine of a run, empty. Those of the run before are used again: making tables
 * and preparing statements costs more than most runs.
 */
export function givenFiles(position: number): Files {
  const known = kept[position];
  if (known !== undefined) {
    for (const file of [known.index, known.state]) file.clear();
    return known;
  }
  const files = { state: new SimFile(prepareState), index: new SimFile(prepareIndex) };
  files.index.attach(files.state);
  kept[position] = files;
  return files;
}
