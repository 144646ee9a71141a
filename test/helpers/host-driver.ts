import { join } from "node:path";
import type { Exit } from "../../src/base/ports/process-host.ts";
import { until } from "./host-scene.ts";

const FIXTURES = join(import.meta.dir, "fixtures");

/** A process that hosts others, and can be killed. See `fixtures/host-driver.ts`. */
export class HostDriver {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #answers: unknown[] = [];
  readonly #exits = new Map<string, Exit>();
  #opened = 0;

  /** `below`: the words of what it is started by. */
  constructor(below: readonly string[] = []) {
    this.#child = Bun.spawn([...below, process.execPath, join(FIXTURES, "host-driver.ts")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    void this.#read();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async ask<Answer>(order: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    this.#child.stdin.flush();
    await until(`there is an answer to "${String(order["do"])}"`, () => this.#answers.length > 0);
    // What was asked for is what is answered; tests look at it.
    return this.#answers.shift() as Answer;
  }

  /** Lets it become a new program, and waits until that is ready. */
  async become(): Promise<void> {
    const before = this.#opened;
    this.#child.stdin.write(`${JSON.stringify({ do: "become" })}\n`);
    this.#child.stdin.flush();
    await until("it is a new program", () => this.#opened > before);
  }

  /** How a start ended, as soon as it is told. */
  async exitOf(run: string): Promise<Exit | undefined> {
    await until("an end is told", () => this.#exits.has(run));
    return this.#exits.get(run);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line));
    }
  }

  #take(line: unknown): void {
    if (line === "open") this.#opened += 1;
    else if (typeof line === "object" && line !== null && "answer" in line) this.#answers.push(line.answer);
    else {
      const { run, exit } = line as { run: string; exit: Exit };
      this.#exits.set(run, exit);
    }
  }
}

/** What collects every orphan below it at once. */
export const QUICK_REAPER: readonly string[] = [process.execPath, join(FIXTURES, "quick-reaper.ts")];
