/** Requests to a service, one after the other and several at once, until they are ended; each on a connection of its own. */
export class Load {
  /** How often each answer came. */
  readonly answers = new Map<string, number>();
  readonly failures: string[] = [];
  #isOver = false;
  readonly #clients: readonly Promise<void>[];

  constructor(url: string, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#ask(url));
  }

  /** How many requests were answered so far. */
  get answered(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #ask(url: string): Promise<void> {
    while (!this.#isOver) {
      try {
        const signal = AbortSignal.timeout(PATIENCE_MS);
        const response = await fetch(url, { keepalive: false, headers: { connection: "close" }, signal });
        const answer = await response.text();
        if (!response.ok || answer === "") throw new Error(`${response.status} ${answer}`);
        this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      } catch (thrown) {
        this.failures.push(String(thrown));
        // What nobody listens to would fail many thousand times.
        await Bun.sleep(10);
      }
    }
  }
}

/** How long a request may take; those that wait for a service to come back take as long as that. */
const PATIENCE_MS = 60_000;
