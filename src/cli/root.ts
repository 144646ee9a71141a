import { type CommandTable, toTable } from "./command-table.ts";

/**
 * Every command of fleetd. A command is one line here and one label file in `commands/`:
 * `send: { group: "Messages", summary: "...", load: () => import("./commands/send.ts").then((m) => m.send) },`
 * In each group the order here is the order of `fleetd --help`.
 */
export const COMMANDS: CommandTable = toTable({});
