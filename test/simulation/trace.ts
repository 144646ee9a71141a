/** What happened, line by line: its hash tells whether two runs were the same. Lines are kept only when somebody will read them. */
export class Trace {
  readonly lines: string[] | null;
  #hash = 0n;
  #count = 0;

  constructor(isKept: boolean) {
    this.lines = isKept ? [] : null;
  }

  add(nowMs: number, who: string, what: string): void {
    const line = `${nowMs} ${who} ${what}`;
    this.#count += 1;
    this.#hash = Bun.hash.wyhash(line, this.#hash);
    this.lines?.push(`${formatTime(nowMs)} ${who.padEnd(8)} ${what}`);
  }

  get count(): number {
    return this.#count;
  }

  /** 16 hex digits. */
  get hash(): string {
    return this.#hash.toString(16).padStart(16, "0");
  }
}

function formatTime(nowMs: number): string {
  const [ms, s] = [Math.floor(nowMs % 1000), Math.floor(nowMs / 1000)];
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].map((part) =>
    String(part).padStart(2, "0"),
  );
  return `${parts.join(":")}.${String(ms).padStart(3, "0")}`;
}
