import { dlopen, FFIType } from "bun:ffi";

/** Gives the space of a part of an open file back to the disk; the file keeps its size. False: it cannot be done here. */
export type PunchHole = (descriptor: number, offset: number, length: number) => boolean;

/** Of the system's own header: give space back, and leave the size as it is. */
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;

/** The C library by its names with glibc and with musl. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

let found: PunchHole | undefined;

/** The way to do so on this system; one that always says false where there is none. Loaded when it is first asked for. */
export function loadPunchHole(): PunchHole {
  found ??= process.platform === "linux" ? openLinux() : () => false;
  return found;
}

function openLinux(): PunchHole {
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, {
        fallocate: { args: [FFIType.i32, FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
      });
      const { fallocate } = symbols;
      return (descriptor, offset, length) =>
        fallocate(descriptor, PUNCH_HOLE + KEEP_SIZE, offset, length) === 0;
    } catch {
      // Another C library, or code must not be made at run time here: the next name, and then none.
    }
  }
  return () => false;
}
