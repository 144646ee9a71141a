// Our own help: citty's prints escape sequences into pipes and loads every command file. This one reads the table of
// root.ts, or the one command that was asked about, and fits 80 columns whatever the terminal: it is text to be copied.
import {
  type ArgumentDefinition,
  type ArgumentDefinitions,
  aliasesOf,
  type FlagDefinition,
  isNeeded,
} from "./argument.ts";
import { type CommandGroup, type CommandTable, GROUPS, type TableEntry } from "./command-table.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { type StrictCommand, valueHintOf } from "./strict-command.ts";
import { VERSION } from "./version.ts";

const WIDTH = 80;
const INDENT = 2;
const GAP = 2;
// Beyond this a term stands on its own line, so that one long flag does not push every description to the right.
const TERM_WIDTH_MAX = 28;

const EXAMPLES = [
  "fleetd quickstart",
  'fleetd send "Deploy done" --to web1 --wait read',
  "fleetd wait --from web1 --timeout 5m --json",
];
const EXIT_SUMMARY: readonly Row[] = [
  ["0", "done"],
  ["1, 2", "failed, partly done"],
  ["64, 65", "wrong usage, bad input"],
  ["69", "remote or daemon unavailable, or already running"],
  ["70", "a bug in fleetd"],
  ["73, 74", "cannot create, I/O error"],
  ["75", "not done yet, safe to retry"],
  ["77, 78", "not authorised, configuration"],
  ["128+n", "ended by signal n"],
];

type Row = readonly [term: string, text: string];

/** What `fleetd` alone prints: the commands there are. */
export function renderShortHelp(table: CommandTable): string {
  return [...openingLines(table), 'Run "fleetd --help" for more, "fleetd help COMMAND" for one.'].join("\n");
}

/** What `fleetd --help` prints: the commands, the flags they share, examples and exit codes. */
export function renderRootHelp(table: CommandTable): string {
  return [
    ...openingLines(table),
    ...section("Flags of every command", flagRows(GLOBAL_FLAGS)),
    ...section("Examples", EXAMPLES),
    ...section("Exit codes", EXIT_SUMMARY),
    'Run "fleetd help COMMAND" for the flags and examples of one.',
  ].join("\n");
}

/** What `fleetd queue --help` prints of a group. */
export function renderGroupHelp({ meta, fallback, commands }: CommandGroup): string {
  const rows = Object.entries(commands).map(([name, { summary }]): Row => {
    return [name, name === fallback ? `${summary} (when no command is given)` : summary];
  });
  const usage = fallback === undefined ? "COMMAND" : "[COMMAND]";
  return [
    ...wrap(meta.description, WIDTH),
    "",
    `Usage: fleetd ${meta.name} ${usage} [flags]`,
    "",
    ...section("Commands", rows),
    `Run "fleetd help ${meta.name} COMMAND" for the flags and examples of one.`,
  ].join("\n");
}

/** What `fleetd send --help` prints of a command. */
export function renderCommandHelp({ meta, args, examples, usage }: StrictCommand): string {
  const isShared = ([name, definition]: readonly [string, ArgumentDefinition]): boolean =>
    Object.is(definition, (GLOBAL_FLAGS as ArgumentDefinitions)[name]);
  const entries = Object.entries(args);
  const own = Object.fromEntries(entries.filter((entry) => !isShared(entry)));
  const shared = Object.fromEntries(entries.filter(isShared));
  const lines = [
    ...wrap(meta.description, WIDTH),
    "",
    `Usage: ${usage}`,
    "",
    ...section("Arguments", positionalRows(own)),
    ...section("Flags", flagRows(own)),
    ...section("Flags of every command", flagRows(shared)),
    ...section("Examples", examples),
  ];
  return lines.join("\n").trimEnd();
}

function openingLines(table: CommandTable): readonly string[] {
  const entries = Object.entries(table);
  // One column for all groups, so that the eye runs down the summaries.
  const column = columnOf(GROUPS.flatMap((group) => rowsOf(entries, group)));
  const title = `fleetd ${VERSION}: turns any git remote into a message bus for servers`;
  return [
    title,
    "",
    "Usage: fleetd COMMAND [flags]",
    "",
    ...GROUPS.flatMap((group) => section(group, rowsOf(entries, group), column)),
  ];
}

function rowsOf(entries: readonly (readonly [string, TableEntry])[], group: string): readonly Row[] {
  return entries.flatMap(([name, entry]): Row[] => (entry.group === group ? [[name, entry.summary]] : []));
}

function positionalRows(args: ArgumentDefinitions): readonly Row[] {
  return Object.entries(args).flatMap(([name, definition]): Row[] => {
    if (definition.type !== "positional") return [];
    const notes = [
      ...(isNeeded(definition) || definition.default !== undefined ? [] : ["optional"]),
      ...defaultNote(definition.default),
    ];
    return [[name.toUpperCase(), withNotes(definition.description, notes)]];
  });
}

function flagRows(args: ArgumentDefinitions): readonly Row[] {
  return Object.entries(args).flatMap(([name, definition]): Row[] => {
    if (definition.type === "positional") return [];
    const short = aliasesOf(definition).find((alias) => alias.length === 1);
    // Where no flag is short, long ones still stand in one column with those that have one.
    const spelling = `${short === undefined ? "    " : `-${short}, `}--${flagName(name, definition)}`;
    const hint = definition.type === "boolean" ? "" : ` ${valueHintOf(name, definition)}`;
    return [[`${spelling}${hint}`, withNotes(definition.description, flagNotes(definition))]];
  });
}

// A flag that is on by default is only ever typed to turn it off.
const flagName = (name: string, definition: FlagDefinition): string =>
  definition.type === "boolean" && definition.default === true ? `no-${name}` : name;

function flagNotes(definition: FlagDefinition): readonly string[] {
  if (definition.type === "boolean") return [];
  return [
    ...(definition.type === "enum" ? [definition.options.join(", ")] : []),
    ...(definition.required === true ? ["required"] : []),
    ...(definition.repeatable === true ? ["may be repeated"] : []),
    ...defaultNote(definition.default),
  ];
}

const defaultNote = (value: string | undefined): readonly string[] =>
  value === undefined ? [] : [`default: ${value}`];

const withNotes = (description: string, notes: readonly string[]): string =>
  notes.length === 0 ? description : `${description} (${notes.join("; ")})`;

function section(
  title: string,
  rows: readonly (Row | string)[],
  column = columnOf(rows.filter((row) => typeof row !== "string")),
): readonly string[] {
  if (rows.length === 0) return [];
  const body = rows.flatMap((row) =>
    typeof row === "string" ? [" ".repeat(INDENT) + row] : renderRow(row, column),
  );
  return [title, ...body, ""];
}

// Where the second column starts.
function columnOf(rows: readonly Row[]): number {
  const widest = Math.max(0, ...rows.map(([term]) => term.length));
  return INDENT + Math.min(widest, TERM_WIDTH_MAX) + GAP;
}

function renderRow([term, text]: Row, column: number): readonly string[] {
  const [first = "", ...rest] = wrap(text, WIDTH - column);
  const head = " ".repeat(INDENT) + term;
  const following = rest.map((line) => " ".repeat(column) + line);
  if (head.length + GAP > column) return [head, " ".repeat(column) + first, ...following];
  return [(head.padEnd(column) + first).trimEnd(), ...following];
}

// A word longer than the line stays whole: help is to be copied, and a broken flag cannot be.
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > width && line !== "") {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
