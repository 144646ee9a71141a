import { dlopen, type FFIFunction, type Library } from "bun:ffi";

/** Opens functions of the C library of this Linux, GNU's or musl. @throws where calls of foreign code are not possible */
export function openLibc<Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>["symbols"] {
  try {
    return dlopen("libc.so.6", functions).symbols;
  } catch {
    // Not the GNU one.
    const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
    return dlopen(`libc.musl-${architecture}.so.1`, functions).symbols;
  }
}
