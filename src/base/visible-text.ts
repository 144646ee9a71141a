// The boundary every stranger's text crosses before a terminal sees it. A message, a server name or a line that git
// repeats may hold escape sequences (which move the cursor or set the clipboard), direction overrides (which make a text
// read other than it is) and characters nobody sees (which hide a second text). Each becomes something to look at.
// The rule is Unicode's own list of ignorable characters plus the controls, so that it needs no list to be kept up.

// Everything a terminal must not get raw: C0, DEL, C1, ignorable characters (zero-width, bidi, tags, fillers, variation
// selectors), interlinear marks, line and paragraph separators, lone surrogates.
const HIDDEN = String.raw`\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\uFFF9-\uFFFB\p{Cs}`;
const HAS_HIDDEN = new RegExp(`[${HIDDEN}]`, "u");
const EACH_HIDDEN = new RegExp(`[${HIDDEN}]`, "gu");
// Inside an emoji two of them have a place: the joiner between two pictures, and one selector of the presentation.
const EMOJI_BEFORE = /\p{Emoji}[\uFE0F\u{1F3FB}-\u{1F3FF}]?$/u;
const PICTURE_AFTER = /^\p{Extended_Pictographic}/u;
const SELECTOR_BEFORE = /[\p{Emoji}--[0-9#*]]$/v;
const KEYCAP_BEFORE = /[0-9#*]$/;
const KEYCAP_AFTER = /^\u20E3/;
// Enough to hold one emoji and a modifier on either side of a character, in UTF-16 units.
const NEIGHBOUR_UNITS = 5;

const REPLACEMENT = "�";
const PICTURES_START = 0x2400;
const DEL = 0x7f;
const DEL_PICTURE = "␡";

/**
 * `text` as a terminal may show it: control characters as pictures (`␛`), the rest of what cannot be seen as `<U+202E>`,
 * a tab as a space, a lone surrogate as U+FFFD. A newline stays only with `keepNewlines`, and CRLF then counts as one.
 */
export function toVisible(text: string, options: { readonly keepNewlines?: boolean } = {}): string {
  if (!HAS_HIDDEN.test(text)) return text;
  const keepNewlines = options.keepNewlines === true;
  const source = keepNewlines ? text.replaceAll("\r\n", "\n") : text;
  return source.replace(EACH_HIDDEN, (character, offset: number) => {
    if (character === "\n" && keepNewlines) return character;
    if (isPartOfEmoji(source, character, offset)) return character;
    return toPicture(character);
  });
}

/**
 * JSON of `value` that a terminal may get: the data is exact, every hidden character inside stands as `\uXXXX`.
 * Returns `"null"` for what JSON cannot say, so that the output always is one JSON value.
 */
export function toSafeJson(value: unknown): string {
  const json = JSON.stringify(value) ?? "null";
  return HAS_HIDDEN.test(json) ? json.replace(EACH_HIDDEN, toJsonEscape) : json;
}

function isPartOfEmoji(text: string, character: string, offset: number): boolean {
  if (character !== "\u200D" && character !== "\uFE0E" && character !== "\uFE0F") return false;
  const before = text.slice(Math.max(0, offset - NEIGHBOUR_UNITS), offset);
  const after = text.slice(offset + 1, offset + 1 + NEIGHBOUR_UNITS);
  if (character === "\u200D") return EMOJI_BEFORE.test(before) && PICTURE_AFTER.test(after);
  return SELECTOR_BEFORE.test(before) || (KEYCAP_BEFORE.test(before) && KEYCAP_AFTER.test(after));
}

function toPicture(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\t") return " ";
  if (code < 0x20) return String.fromCodePoint(PICTURES_START + code);
  if (code === DEL) return DEL_PICTURE;
  if (code >= 0xd800 && code <= 0xdfff) return REPLACEMENT;
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

// JSON knows only UTF-16 units, so a character beyond U+FFFF is two escapes.
function toJsonEscape(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    const unit = character.charCodeAt(index);
    return `\\u${unit.toString(16).padStart(4, "0")}`;
  }).join("");
}
