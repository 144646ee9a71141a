// From the words of a command line to the arguments of one command, strictly: what is not understood is refused with
// exit code 64 and a suggestion, never guessed. citty's own parser takes an unknown flag for a boolean and a mistyped
// one for a message body, so it is not asked. The one idea: a word that looks like a flag is a flag, wherever it stands,
// until `--`; a value that begins with a dash is written `--flag=-value`.
import { FleetError } from "../base/errors.ts";
import {
  type ArgumentDefinitions,
  aliasesOf,
  type FlagDefinition,
  isNeeded,
  looksLikeFlag,
  type Positional,
  toCamelCase,
} from "./argument.ts";
import { didYouMean } from "./suggest.ts";

/** The command the words are meant for: its whole name (`"queue retry"`), its arguments and its usage line. */
export type WordsFor = {
  readonly name: string;
  readonly args: ArgumentDefinitions;
  readonly usage: string;
};

type Value = string | boolean | undefined | readonly (string | boolean)[];
/** A flag and the name its value is kept under, whatever its spelling. */
export type Known = { readonly name: string; readonly definition: FlagDefinition };
type Scan = {
  readonly command: WordsFor;
  readonly known: ReadonlyMap<string, Known>;
  readonly given: Map<string, (string | boolean)[]>;
  readonly words: string[];
};

/**
 * The arguments of `rawArgs`, by camelCase name, defaults filled in.
 * @throws `USAGE` for anything unknown, surplus, missing, repeated or not among the allowed values.
 */
export function parseWords(command: WordsFor, rawArgs: readonly string[]): Record<string, Value> {
  const scan: Scan = { command, known: indexFlags(command.args), given: new Map(), words: [] };
  for (let index = 0; index < rawArgs.length; ) index += readWord(scan, rawArgs, index);
  return { ...collectFlags(scan), ...collectPositionals(scan) };
}

/** The flags among `args` by every spelling, dashes included. */
export function indexFlags(args: ArgumentDefinitions): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === "positional") continue;
    for (const spelling of [name, ...aliasesOf(definition)]) {
      known.set(spelling.length === 1 ? `-${spelling}` : `--${spelling}`, { name, definition });
    }
  }
  return known;
}

// Reads the word at `index` and says how many words it took.
function readWord(scan: Scan, rawArgs: readonly string[], index: number): number {
  const word = rawArgs[index] ?? "";
  if (word === "--") {
    scan.words.push(...rawArgs.slice(index + 1));
    return rawArgs.length - index;
  }
  if (!looksLikeFlag(word)) {
    scan.words.push(word);
    return 1;
  }
  const next = rawArgs[index + 1];
  return word.startsWith("--") ? readLongFlag(scan, word, next) : readShortFlags(scan, word, next);
}

function readLongFlag(scan: Scan, word: string, next: string | undefined): number {
  const equals = word.indexOf("=");
  const spelling = equals === -1 ? word : word.slice(0, equals);
  const value = equals === -1 ? undefined : word.slice(equals + 1);
  const flag = scan.known.get(spelling);
  if (flag?.definition.type === "boolean") {
    store(scan, flag, readBoolean(scan, spelling, value));
    return 1;
  }
  if (flag !== undefined) return storeValue(scan, { flag, spelling, value }, next);
  const negated = spelling.startsWith("--no-") ? scan.known.get(`--${spelling.slice(5)}`) : undefined;
  if (negated?.definition.type !== "boolean" || value !== undefined) throw unknownFlag(scan, spelling);
  store(scan, negated, false);
  return 1;
}

// `-f`, `-fq` (two booleans), `-n5` or `-n 5`: the first letter that takes a value takes what is left.
// A long flag that lost a dash is not taken apart: `-to` would send the message to "o".
function readShortFlags(scan: Scan, word: string, next: string | undefined): number {
  if (scan.known.has(`-${word}`)) throw unknownFlag(scan, word);
  for (let index = 1; index < word.length; index += 1) {
    const spelling = `-${word[index]}`;
    const flag = scan.known.get(spelling);
    if (flag === undefined) throw unknownFlag(scan, word);
    if (flag.definition.type !== "boolean") {
      const rest = word.slice(index + 1).replace(/^=/, "");
      return storeValue(scan, { flag, spelling, value: rest === "" ? undefined : rest }, next);
    }
    store(scan, flag, true);
  }
  return 1;
}

function readBoolean(scan: Scan, spelling: string, value: string | undefined): boolean {
  if (value === undefined || value === "true") return true;
  if (value === "false") return false;
  throw refuse(scan, `Flag "${spelling}" takes no value: found "${value}"`);
}

type Spelled = { readonly flag: Known; readonly spelling: string; readonly value: string | undefined };

function storeValue(scan: Scan, { flag, spelling, value }: Spelled, next: string | undefined): number {
  const taken = value ?? next;
  if (taken === undefined) throw refuse(scan, `Missing value of "${spelling}"`);
  if (value === undefined && looksLikeFlag(taken)) {
    const hint = `A value that begins with a dash is written "${spelling}=${taken}"`;
    throw new FleetError("USAGE", `Missing value of "${spelling}": found flag "${taken}"`, { hint });
  }
  if (flag.definition.type === "enum" && !flag.definition.options.includes(taken)) {
    const { options } = flag.definition;
    const message = `Unknown value "${taken}" of "${spelling}"${didYouMean(taken, options)}`;
    throw new FleetError("USAGE", message, { hint: `Allowed: ${options.join(", ")}` });
  }
  store(scan, flag, taken);
  return value === undefined ? 2 : 1;
}

function store(scan: Scan, { name, definition }: Known, value: string | boolean): void {
  const values = scan.given.get(name) ?? [];
  const mayRepeat = definition.type !== "boolean" && definition.repeatable === true;
  if (values.length > 0 && !mayRepeat) throw refuse(scan, `Flag "--${name}" is given twice`);
  scan.given.set(name, [...values, value]);
}

function collectFlags(scan: Scan): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const [name, definition] of Object.entries(scan.command.args)) {
    if (definition.type !== "positional") {
      values[toCamelCase(name)] = flagValue(scan, name, definition);
    }
  }
  return values;
}

function flagValue(scan: Scan, name: string, definition: FlagDefinition): Value {
  const given = scan.given.get(name);
  if (definition.type === "boolean") {
    return given?.[0] ?? definition.default ?? (definition.optional === true ? undefined : false);
  }
  if (given === undefined && definition.required === true) throw refuse(scan, `Missing flag "--${name}"`);
  if (definition.repeatable !== true) return given?.[0] ?? definition.default;
  return given ?? (definition.default === undefined ? [] : [definition.default]);
}

function collectPositionals(scan: Scan): Record<string, Value> {
  const values: Record<string, Value> = {};
  const left = [...scan.words];
  for (const [name, definition] of Object.entries(scan.command.args)) {
    if (definition.type !== "positional") continue;
    if (left.length === 0 && isNeeded(definition)) throw refuse(scan, `Missing ${name.toUpperCase()}`);
    values[toCamelCase(name)] = takePositional(left, definition);
  }
  const [surplus] = left;
  if (surplus === undefined) return values;
  const hint = `Text of several words stands in quotes. Usage: ${scan.command.usage}`;
  throw new FleetError("USAGE", `Unexpected word "${surplus}"`, { hint });
}

function takePositional(left: string[], definition: Positional): Value {
  if (definition.repeatable !== true) return left.shift() ?? definition.default;
  const taken = left.splice(0);
  return taken.length === 0 && definition.default !== undefined ? [definition.default] : taken;
}

function unknownFlag(scan: Scan, spelling: string): FleetError {
  const spellings = spellingsOf(scan.known);
  const near = didYouMean(spelling, spellings) || didYouMean(`-${spelling}`, spellings);
  const hint =
    near === "" ? `Text that begins with a dash stands after "--". ${seeHelp(scan)}` : seeHelp(scan);
  return new FleetError("USAGE", `Unknown flag "${spelling}"${near}`, { hint });
}

// Old spellings are taken, yet nobody is sent to them.
function spellingsOf(known: ReadonlyMap<string, Known>): readonly string[] {
  const spellings = [...known.entries()].filter(([spelling, flag]) => spelling === `--${flag.name}`);
  return spellings.flatMap(([spelling, { name, definition }]) =>
    definition.type === "boolean" ? [spelling, `--no-${name}`] : [spelling],
  );
}

const seeHelp = (scan: Scan): string => `Run "fleetd ${scan.command.name} --help" for its flags`;

const refuse = (scan: Scan, message: string): FleetError =>
  new FleetError("USAGE", message, { hint: `Usage: ${scan.command.usage}` });
