import type { ArgumentDefinitions, ParsedArguments } from "./argument.ts";

/** The flags every command has without asking. A command that defines one of them again has the last word. */
export const GLOBAL_FLAGS = {
  json: { type: "boolean", description: "Print one JSON object; failures too, on stderr" },
  color: { type: "boolean", optional: true, alias: "colour", description: "Colour, or --no-color: none" },
  server: { type: "string", valueHint: "ID", description: "Act as this server" },
  config: { type: "string", valueHint: "PATH", description: "Configuration file" },
  help: { type: "boolean", alias: "h", description: "Show this help" },
} as const satisfies ArgumentDefinitions;

/** What `run` is handed of them; `color` is `undefined` when neither form was given. */
export type GlobalArguments = ParsedArguments<typeof GLOBAL_FLAGS>;

/** Whether a failure is to be one JSON object: `--json` anywhere, even where the rest cannot be understood. */
export function wantsJson(argv: readonly string[]): boolean {
  return flagsOf(argv).some((word) => word === "--json" || word === "--json=true");
}

/** Whether help is asked for: it wins over whatever else is wrong with the line. */
export function wantsHelp(argv: readonly string[]): boolean {
  return flagsOf(argv).some((word) => word === "--help" || word === "-h");
}

function flagsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end === -1 ? argv : argv.slice(0, end);
}
