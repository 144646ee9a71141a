/** Texts that try to break a screen: sequences, directions, wide and hidden characters, newlines, great length. */
export const HOSTILE: readonly string[] = [
  "\u001B[2J\u001B[10;10Hgone",
  "\u001B]0;title\u0007\u001B]52;c;cm0=\u0007",
  "\u009B31mred",
  "a\nb\r\nc\td",
  "‮backwards",
  "日本語".repeat(50),
  "👨‍👩‍👧‍👦".repeat(30),
  `e${"\u0301".repeat(500)}`,
  "\uD800 lone",
  "\u0000\u0007\u0008\u007F",
  "x".repeat(70_000),
  "",
];
