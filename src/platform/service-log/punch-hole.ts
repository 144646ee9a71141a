import { openLibc } from "../libc.ts";

/** Gives the space of a part of an open file back to the disk; the file keeps its size. False: it cannot be done here. */
export type PunchHole = (descriptor: number, offset: number, length: number) => boolean;

/** Of the system's own header: give space back, and leave the size as it is. */
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;

let found: PunchHole | undefined;

/** The way to do so on this system; one that always says false where there is none. Loaded when it is first asked for. */
export function loadPunchHole(): PunchHole {
  found ??= process.platform === "linux" ? openLinux() : () => false;
  return found;
}

function openLinux(): PunchHole {
  try {
    const { fallocate } = openLibc({
      fallocate: { args: ["int", "int", "i64", "i64"], returns: "int" },
    } as const);
    return (descriptor, offset, length) =>
      fallocate(descriptor, PUNCH_HOLE + KEEP_SIZE, offset, length) === 0;
  } catch {
    // The system forbids memory that is both written and run: spools then go with their runs.
    return () => false;
  }
}
