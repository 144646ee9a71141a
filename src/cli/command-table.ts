import { FleetError } from "../base/errors.ts";
import { looksLikeFlag } from "./argument.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { indexFlags } from "./parse-words.ts";
import type { CommandMeta, StrictCommand } from "./strict-command.ts";
import { didYouMean } from "./suggest.ts";

const BEFORE_COMMAND = indexFlags(GLOBAL_FLAGS);

/** The headings of `fleetd --help`, in this order. */
export const GROUPS = ["Messages", "Fleet", "Daemon", "Services", "Care"] as const;

/** One line of a table: what help says without loading the command, and how to load it. */
export type TableEntry = {
  /** The heading it stands under in `fleetd --help`; without one the command works and is not listed. */
  readonly group?: (typeof GROUPS)[number];
  /** The command's `meta.description`, word for word: help loads no command file, and a test compares the two. */
  readonly summary: string;
  /** Old names that still work and are never shown. */
  readonly aliases?: readonly string[];
  readonly load: () => Promise<StrictCommand | CommandGroup>;
};

/** Commands by name, without a prototype: `toString` is no command. */
export type CommandTable = Readonly<Record<string, TableEntry>>;

/** A command that only leads to others: `fleetd queue retry`. */
export type CommandGroup = {
  readonly kind: "group";
  readonly meta: CommandMeta;
  /** The command that runs when no word follows the group's name. */
  readonly fallback: string | undefined;
  /** Words that are no command's name but the fallback's own first word, as in `fleetd port 8080`. */
  readonly fallbackWords: RegExp | undefined;
  readonly commands: CommandTable;
};

/** A table of commands, safe to look up any word in. */
export const toTable = (entries: Record<string, TableEntry>): CommandTable =>
  Object.assign(Object.create(null) as Record<string, TableEntry>, entries);

/** Defines a group. Without `fallback`, the group's name alone is refused with exit code 64. */
export function strictGroup(definition: {
  readonly meta: CommandMeta;
  readonly fallback?: string;
  readonly fallbackWords?: RegExp;
  readonly commands: Record<string, TableEntry>;
}): CommandGroup {
  const { meta, fallback, fallbackWords, commands } = definition;
  return { kind: "group", meta, fallback, fallbackWords, commands: toTable(commands) };
}

/** A command or group, and the words that are left for it. */
export type Found = { readonly command: StrictCommand | CommandGroup; readonly rest: readonly string[] };

/**
 * Loads what `argv` names, through groups, and nothing else. Stays at a group when no command of it is named.
 * `undefined` when `argv` holds no command word.
 * @throws `USAGE` for an unknown command, or for a flag before the command that not every command has.
 */
export async function findCommand(table: CommandTable, argv: readonly string[]): Promise<Found | undefined> {
  const { word, rest } = takeCommandWord(argv);
  if (word === undefined) return undefined;
  const command = await lookUp(table, word, "").load();
  return command.kind === "command" ? { command, rest } : findInGroup(command, rest);
}

async function findInGroup(group: CommandGroup, argv: readonly string[]): Promise<Found> {
  const { word, rest } = takeCommandWord(argv, group.fallback !== undefined);
  if (word === undefined) return { command: group, rest };
  if (group.fallbackWords?.test(word) === true) return { command: group, rest: argv };
  const command = await lookUp(group.commands, word, `${group.meta.name} `).load();
  return command.kind === "command" ? { command, rest } : findInGroup(command, rest);
}

function lookUp(table: CommandTable, word: string, parent: string): TableEntry {
  const entry = table[word] ?? Object.values(table).find(({ aliases }) => aliases?.includes(word) === true);
  if (entry !== undefined) return entry;
  const near = didYouMean(`${parent}${word}`, namesOf(table, parent));
  throw new FleetError("USAGE", `Unknown command "${parent}${word}"${near}`, {
    hint: `Run "fleetd ${parent}--help" for the commands there are`,
  });
}

// Suggestions are whole names, ready to be typed; two commands stand in no table.
const namesOf = (table: CommandTable, parent: string): readonly string[] => [
  ...Object.keys(table).map((name) => `${parent}${name}`),
  ...(parent === "" ? ["help", "version"] : []),
];

type CommandWord = { readonly word: string | undefined; readonly rest: readonly string[] };

// The first word that is no flag and no value of one. Only the global flags may stand before it, since whether
// another flag takes a value is known only to the command that is not found yet.
function takeCommandWord(argv: readonly string[], anyFlag = false): CommandWord {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    if (!looksLikeFlag(word)) return { word, rest: argv.toSpliced(index, 1) };
    const kind = globalFlagKind(word);
    if (kind === "unknown") {
      if (anyFlag) break;
      throw new FleetError("USAGE", `Unknown flag "${word}" before the command`, {
        hint: "The flags of a command stand after its name: fleetd COMMAND [flags]",
      });
    }
    if (kind === "value" && !word.includes("=")) index += 1;
  }
  return { word: undefined, rest: argv };
}

function globalFlagKind(word: string): "boolean" | "value" | "unknown" {
  const spelling = word.replace(/=.*$/s, "");
  const flag = BEFORE_COMMAND.get(spelling) ?? BEFORE_COMMAND.get(spelling.replace(/^--no-/, "--"));
  if (flag === undefined) return "unknown";
  return flag.definition.type === "boolean" ? "boolean" : "value";
}
