import { describe, expect, test } from "bun:test";
import type { LogFile } from "../../../src/base/ports/log-file.ts";

/** A log under test, and the lines that a reader of it would find, oldest first. */
export interface LogFileUnderTest {
  readonly log: LogFile;
  readonly lines: () => readonly string[];
  /** From now on nothing can be written, or everything again. */
  readonly setFull: (isFull: boolean) => void;
  /** What it told of itself. */
  readonly told: readonly string[];
}

/** What everybody may expect of a `LogFile`. `make` answers null where a full disk cannot be had. */
export function logFileContract(name: string, make: () => LogFileUnderTest): void {
  describe(`LogFile: ${name}`, () => {
    test("flush() hands over what was taken, in its order", () => {
      const { log, lines } = make();
      for (const line of ["one", "two", "ü 😀"]) log.write(line);
      log.flush();
      expect(lines()).toEqual(["one", "two", "ü 😀"]);
      log.close();
    });

    test("close() hands over the rest", () => {
      const { log, lines } = make();
      log.write("one");
      log.close();
      expect(lines()).toEqual(["one"]);
    });

    test("keeps lines while nothing can be written, tells of it once, and writes them later", () => {
      const { log, lines, setFull, told } = make();
      setFull(true);
      for (const line of ["one", "two", "three"]) {
        log.write(line);
        log.flush();
      }
      expect(told).toHaveLength(1);
      setFull(false);
      log.flush();
      expect(lines()).toEqual(["one", "two", "three"]);
      expect(told).toHaveLength(2);
      log.close();
    });
  });
}
