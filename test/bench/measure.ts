/** Measures two or more things in turns, so that a noisy moment of the machine hits all of them alike. */
export async function interleave<Side extends string>(
  runs: number,
  sides: Readonly<Record<Side, () => number | Promise<number>>>,
): Promise<Record<Side, number[]>> {
  const names = Object.keys(sides) as Side[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>;
  // The first turn warms caches and is not counted.
  for (let turn = 0; turn <= runs; turn += 1) {
    // Every other turn backwards: whoever runs second must not profit each time.
    for (const name of turn % 2 === 0 ? names : names.toReversed()) {
      const value = await sides[name]();
      if (turn > 0) values[name].push(value);
    }
  }
  return values;
}

/** How long `body` takes, ms. */
export async function timed(body: () => unknown): Promise<number> {
  const startMs = performance.now();
  await body();
  return performance.now() - startMs;
}

/** Starts a program, waits for its end and answers how long that took, ms. Throws on an unexpected exit code. */
export function timeProgram(
  words: readonly string[],
  options: {
    readonly environment: Readonly<Record<string, string>>;
    readonly folder: string;
    readonly exitCode?: number;
  },
): number {
  const startMs = performance.now();
  const child = Bun.spawnSync([...words], {
    cwd: options.folder,
    env: options.environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const durationMs = performance.now() - startMs;
  const expected = options.exitCode ?? 0;
  if (child.exitCode === expected) return durationMs;
  throw new Error(`"${words.join(" ")}" ended with ${child.exitCode}: ${child.stderr.toString()}`);
}
