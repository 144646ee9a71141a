/** What a terminal sends when somebody types, as keys. */

/** Keys that are no characters. */
export type NamedKey =
  | "up"
  | "down"
  | "left"
  | "right"
  | "page-up"
  | "page-down"
  | "home"
  | "end"
  | "enter"
  | "tab"
  | "escape"
  | "backspace"
  | "ctrl-c"
  | "ctrl-l"
  | "ctrl-u";

/** One key, or one character. */
export type Key = { readonly kind: NamedKey } | { readonly kind: "text"; readonly text: string };

const ESCAPE = "\u001B";
// What a terminal sends for one key is a few characters; more without an end is no key.
const SEQUENCE_LENGTH_MAX = 32;

const BY_CHARACTER: Readonly<Record<string, NamedKey>> = {
  "\u0003": "ctrl-c",
  "\u0004": "ctrl-c",
  "\u0008": "backspace",
  "\u007F": "backspace",
  "\t": "tab",
  "\n": "enter",
  "\r": "enter",
  "\u000C": "ctrl-l",
  "\u0015": "ctrl-u",
};

const BY_LETTER: Readonly<Record<string, NamedKey>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
  M: "enter",
};

const BY_NUMBER: Readonly<Record<string, NamedKey>> = {
  "1": "home",
  "4": "end",
  "5": "page-up",
  "6": "page-down",
  "7": "home",
  "8": "end",
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with one
const WHOLE = /^\u001B(?:\[([0-9;:?<>=]*)[ -/]*([@-~])|O([@-~]))/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with one
const BEGUN = /^\u001B(?:\[[0-9;:?<>=]*[ -/]*|O)?$/;

/**
 * Reads the keys in `input`. `rest` is the beginning of a key whose end has not come; a lone escape is the key itself
 * when nothing follows for a moment, which only a clock can tell: `escapeAlone` says so.
 */
export function parseKeys(
  input: string,
  escapeAlone = false,
): { readonly keys: readonly Key[]; readonly rest: string } {
  const keys: Key[] = [];
  let rest = input;
  while (rest !== "") {
    const isEscape = rest.startsWith(ESCAPE);
    if (isEscape && !escapeAlone && BEGUN.test(rest) && rest.length < SEQUENCE_LENGTH_MAX) break;
    const taken = isEscape ? ofEscape(rest) : ofCharacter(String.fromCodePoint(rest.codePointAt(0) ?? 0));
    keys.push(...taken.keys);
    rest = rest.slice(taken.length);
  }
  return { keys, rest };
}

interface Taken {
  readonly keys: readonly Key[];
  /** How much of the input that was. */
  readonly length: number;
}

function ofEscape(input: string): Taken {
  const match = WHOLE.exec(input);
  if (match === null) {
    // Escape by itself, and whatever was typed right after it; or the beginning of something that never came.
    const length = BEGUN.test(input) ? input.length : ESCAPE.length;
    return { keys: [{ kind: "escape" }], length };
  }
  const [whole, numbers = "", letter = "", shortLetter] = match;
  const name = shortLetter === undefined ? ofSequence(numbers, letter) : BY_LETTER[shortLetter];
  return { keys: name === undefined ? [] : [{ kind: name }], length: whole.length };
}

function ofCharacter(character: string): Taken {
  const name = BY_CHARACTER[character];
  const { length } = character;
  if (name !== undefined) return { keys: [{ kind: name }], length };
  return { keys: character < " " ? [] : [{ kind: "text", text: character }], length };
}

const ofSequence = (numbers: string, letter: string): NamedKey | undefined =>
  letter === "~" ? BY_NUMBER[numbers.split(";", 1)[0] ?? ""] : BY_LETTER[letter];
