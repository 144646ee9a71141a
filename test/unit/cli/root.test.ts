import { describe, expect, test } from "bun:test";
import type { CommandTable } from "../../../src/cli/command-table.ts";
import { renderRootHelp } from "../../../src/cli/help.ts";
import { COMMANDS } from "../../../src/cli/root.ts";

type Label = { readonly said: string; readonly loaded: string };

// Each command as its table says it and as its label file does; groups are entered.
async function labelsOf(table: CommandTable, parent = ""): Promise<readonly Label[]> {
  const labels = await Promise.all(
    Object.entries(table).map(async ([name, { summary, load }]): Promise<readonly Label[]> => {
      const command = await load();
      const { meta } = command;
      const own = { said: `${parent}${name}: ${summary}`, loaded: `${meta.name}: ${meta.description}` };
      return command.kind === "group" ? [own, ...(await labelsOf(command.commands, `${meta.name} `))] : [own];
    }),
  );
  return labels.flat();
}

describe("COMMANDS", () => {
  test("COMMANDS says of every command what its label says", async () => {
    const labels = await labelsOf(COMMANDS);
    expect(labels.map(({ said }) => said)).toEqual(labels.map(({ loaded }) => loaded));
  });

  test("COMMANDS has no prototype, so toString is no command", () => {
    expect("toString" in COMMANDS).toBe(false);
  });

  test("COMMANDS fits 80 columns in help", () => {
    for (const line of renderRootHelp(COMMANDS).split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });
});
