import { join } from "node:path";
import type { SimulateOptions } from "./arguments.ts";
import type { Outcome } from "./simulate.ts";

/** Seeds of a range, shared among processes; each says what came of a seed in one line of JSON. */
export async function playRange(
  options: Pick<
    SimulateOptions,
    "first" | "last" | "servers" | "hours" | "workers" | "mutant" | "doubleFaults"
  >,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const { first, last, servers, hours, mutant, doubleFaults } = options;
  const count = Math.min(options.workers, last - first + 1);
  const words = [
    "--servers",
    String(servers),
    "--hours",
    String(hours),
    ...(mutant === null ? [] : ["--mutant", mutant]),
    ...(doubleFaults ? ["--double-faults"] : []),
  ];
  await Promise.all(
    Array.from({ length: count }, async (_, number) => {
      const seeds = [String(first + number), String(last), String(count)];
      const child = Bun.spawn([process.execPath, join(import.meta.dir, "worker.ts"), ...seeds, ...words], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      for await (const line of linesOf(child.stdout)) onOutcome(JSON.parse(line) as Outcome);
      const exitCode = await child.exited;
      if (exitCode !== 0) throw new Error(`a worker ended with ${exitCode}`);
    }),
  );
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
