/** What a program wants done before it ends: in the order in which it was asked for, each with its bound, once. */
import type { Clock } from "../../base/ports/clock.ts";

/** What is to be done; `reason` is why the program ends, such as `"SIGTERM"`. Whatever it returns is awaited. */
export type ShutdownHandler = (reason: string) => unknown;

/** How one handler ended. */
export interface HandlerOutcome {
  readonly name: string;
  readonly result: "done" | "failed" | "timeout";
  readonly durationMs: number;
  /** What it threw; null unless it failed. */
  readonly error: unknown;
}

/** What running handlers takes. `timeoutMs`: for each that names no bound of its own. */
export interface ShutdownOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Told of each that failed or took too long; the next one runs all the same. */
  readonly onTrouble: (outcome: HandlerOutcome) => void;
}

interface Registered {
  readonly name: string;
  readonly handler: ShutdownHandler;
  readonly timeoutMs: number;
}

/** The handlers of one program. */
export class ShutdownHandlers {
  readonly #options: ShutdownOptions;
  readonly #waiting: Registered[] = [];
  #count = 0;
  #running: Promise<readonly HandlerOutcome[]> | null = null;

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** How many have not begun yet. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Whether they were told to run. */
  get hasBegun(): boolean {
    return this.#running !== null;
  }

  /** Adds a handler behind the others, also one that a running handler asks for. Answers how to take it away again. */
  add(
    handler: ShutdownHandler,
    own: { readonly name?: string; readonly timeoutMs?: number } = {},
  ): () => void {
    this.#count += 1;
    const { name = handler.name === "" ? `handler ${this.#count}` : handler.name } = own;
    const registered = { name, handler, timeoutMs: own.timeoutMs ?? this.#options.timeoutMs };
    this.#waiting.push(registered);
    return () => {
      const place = this.#waiting.indexOf(registered);
      if (place >= 0) this.#waiting.splice(place, 1);
    };
  }

  /** Runs all, one after the other; asked again, it answers what came of the first time. Never rejects. */
  execute(reason: string): Promise<readonly HandlerOutcome[]> {
    this.#running ??= this.#runAll(reason);
    return this.#running;
  }

  async #runAll(reason: string): Promise<readonly HandlerOutcome[]> {
    const outcomes: HandlerOutcome[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const outcome = await this.#runOne(next, reason);
      outcomes.push(outcome);
      if (outcome.result !== "done") this.#options.onTrouble(outcome);
    }
    return outcomes;
  }

  async #runOne({ name, handler, timeoutMs }: Registered, reason: string): Promise<HandlerOutcome> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const ended = new AbortController();
    const late = clock.sleep(timeoutMs, ended.signal).then(
      () => "timeout" as const,
      () => "done" as const,
    );
    const outcome = (result: HandlerOutcome["result"], error: unknown = null): HandlerOutcome => ({
      name,
      result,
      durationMs: clock.monotonicMs() - startMs,
      error,
    });
    try {
      return outcome(await Promise.race([run(handler, reason), late]));
    } catch (thrown) {
      return outcome("failed", thrown);
    } finally {
      ended.abort();
    }
  }
}

/** A plain function may answer a promise, and an async one may throw before its first `await`. */
async function run(handler: ShutdownHandler, reason: string): Promise<"done"> {
  await handler(reason);
  return "done";
}
