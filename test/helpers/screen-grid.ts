// A terminal as far as a test needs one: what is written to it becomes rows of characters. It knows what full-screen
// programs here send (places, clearing, the other screen, cursor, wrapping), and throws at anything else, so that a
// sequence that somebody smuggled in is seen.

// biome-ignore lint/suspicious/noControlCharactersInRegex: sequences begin with one
const SEQUENCE = /^\u001B(?:\[(?<private>[?]?)(?<numbers>[0-9;]*)(?<letter>[A-Za-z])|(?<other>[\s\S]))/;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** See the head of this file. */
export class ScreenGrid {
  #columns: number;
  #rows: number;
  #cells: string[][] = [];
  #row = 0;
  #column = 0;
  #rest = "";
  /** Modes that are on, by number: 1049 the other screen, 25 the cursor, 7 wrapping. */
  readonly modes = new Set([25, 7]);
  /** Rows that were drawn since `drawn` was read last. */
  #drawn = new Set<number>();

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
    this.#clear();
  }

  /** What can be read, a line for each row, without spaces at the end. */
  get lines(): readonly string[] {
    return this.#cells.map((row) => row.join("").trimEnd());
  }

  get text(): string {
    return this.lines.join("\n");
  }

  /** Rows that were drawn since the last call. */
  takeDrawn(): readonly number[] {
    const drawn = [...this.#drawn].sort((one, other) => one - other);
    this.#drawn = new Set();
    return drawn;
  }

  resize(columns: number, rows: number): void {
    this.#columns = columns;
    this.#rows = rows;
    this.#clear();
  }

  write(text: string): void {
    let left = this.#rest + text;
    this.#rest = "";
    while (left !== "") {
      if (!left.startsWith("\u001B")) {
        const end = left.indexOf("\u001B");
        this.#print(end === -1 ? left : left.slice(0, end));
        left = end === -1 ? "" : left.slice(end);
        continue;
      }
      const match = SEQUENCE.exec(left);
      if (match === null || match[0] === "\u001B[") {
        this.#rest = left;
        return;
      }
      this.#obey(match.groups ?? {}, match[0]);
      left = left.slice(match[0].length);
    }
  }

  #obey(
    { private: isPrivate, numbers = "", letter }: Record<string, string | undefined>,
    whole: string,
  ): void {
    const [first, second] = numbers.split(";").map(Number);
    if (isPrivate === "?" && letter === "h") this.modes.add(first ?? 0);
    else if (isPrivate === "?" && letter === "l") this.modes.delete(first ?? 0);
    else if (letter === "H") [this.#row, this.#column] = [(first || 1) - 1, (second || 1) - 1];
    else if (letter === "K") this.#cells[this.#row]?.fill(" ", this.#column);
    else if (letter === "J" && first === 2) this.#clear();
    else if (letter !== "m") throw new Error(`A sequence nobody should send: ${JSON.stringify(whole)}`);
  }

  #print(text: string): void {
    this.#drawn.add(this.#row);
    for (const { segment } of graphemes.segment(text)) {
      if (/\p{Cc}/u.test(segment)) {
        // Before and after the program the shell's own line ends are fine.
        if (this.modes.has(1049))
          throw new Error(`A control character on the screen: ${JSON.stringify(segment)}`);
        continue;
      }
      const width = Bun.stringWidth(segment);
      const row = this.#cells[this.#row];
      if (row === undefined || this.#column + width > this.#columns) continue;
      row[this.#column] = segment;
      for (let more = 1; more < width; more += 1) row[this.#column + more] = "";
      this.#column += width;
    }
  }

  #clear(): void {
    this.#cells = Array.from({ length: this.#rows }, () => Array<string>(this.#columns).fill(" "));
  }
}
