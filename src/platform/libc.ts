import { dlopen, type FFIFunction, type Library } from "bun:ffi";
import { readFileSync } from "node:fs";

/**
 * Opens functions of the C library that this process runs on; Linux only. By its path: a mere name that is not found would be
 * looked for in the current folder too.
 * @throws where calls of foreign code are not possible
 */
export function openLibc<Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>["symbols"] {
  // musl answers to this name by itself, without looking anywhere.
  const path = /\S*\/libc\.so\.6$/m.exec(readFileSync("/proc/self/maps", "latin1"))?.[0] ?? "libc.so";
  return dlopen(path, functions).symbols;
}
