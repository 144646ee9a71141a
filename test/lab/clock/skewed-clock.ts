import { openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** A wall clock of its own for whatever is started with `variables`; it may be set while they run. */
export interface SkewedClock {
  readonly variables: Readonly<Record<string, string>>;
  set(aheadMs: number): void;
}

/** Makes clocks whose files lie in `folder`; null, with the reason printed, where there is no C compiler or no Linux. */
export function makeClocks(folder: string): ((name: string, aheadMs: number) => SkewedClock) | null {
  const compiler = process.platform === "linux" ? Bun.which("cc") : null;
  const library = `${folder}/skewed-clock.so`;
  const source = join(import.meta.dir, "skewed-clock.c");
  const words = ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"];
  if (compiler === null || Bun.spawnSync([compiler, ...words]).exitCode !== 0) {
    console.log("skipped: clocks that are wrong: they need Linux and a C compiler");
    return null;
  }
  return (name, aheadMs) => {
    const file = `${folder}/${name}.clock`;
    writeFileSync(file, " ".repeat(32));
    const open = openSync(file, "r+");
    // In place: who has it mapped must never see it shorter.
    const set = (ms: number): void => void writeSync(open, String(Math.round(ms / 1000)).padEnd(32), 0);
    set(aheadMs);
    return { variables: { LD_PRELOAD: library, FLEETD_TEST_CLOCK: file }, set };
  };
}
