/** Conditions that somebody waits for: looked at when something has changed, never by the clock. */
export class AwaitedConditions {
  readonly #looks = new Set<() => void>();

  /** Resolves when it is true, now or after a change. */
  until(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
    });
  }

  /** Something has changed. */
  look(): void {
    for (const look of [...this.#looks]) look();
  }
}
