import { basename } from "node:path";
import { linesBackward, listLogParts } from "../../src/platform/log-reader.ts";

/** The numbers of the lines of `flood.ts` in the log of a service, in the order of the log. */
export function numbersIn(folder: string): number[] {
  return listLogParts(folder, basename(folder))
    .flatMap(({ path }) => [...linesBackward(path)])
    .reverse()
    .map((line) => Number(/ line (\d+) of a program .*some words$/.exec(line)?.[1] ?? Number.NaN));
}

/** What is wrong with numbers that have to be 0, 1, 2 ... `count` - 1; null when nothing is. */
export function findFault(numbers: readonly number[], count: number): string | null {
  const at = numbers.findIndex((number, index) => number !== index);
  if (at !== -1) return `line ${at} of the log is number ${numbers[at]}, after ${numbers[at - 1]}`;
  return numbers.length === count ? null : `${numbers.length} lines of ${count}`;
}
