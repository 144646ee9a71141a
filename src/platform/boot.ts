import { readFileSync } from "node:fs";
import { uptime } from "node:os";

/**
 * Which start of the system this is, and how long it has run, ms: clocks of a process start with the process, and the
 * wall clock is set by people. `id` null: this system does not tell its starts apart.
 */
export function readBoot(): { readonly id: string | null; readonly ms: number } {
  if (process.platform !== "linux") return { id: null, ms: uptime() * 1000 };
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const [seconds = ""] = readFileSync("/proc/uptime", "utf8").split(" ");
    const ms = Number(seconds) * 1000;
    return id !== "" && Number.isFinite(ms) ? { id, ms } : { id: null, ms: uptime() * 1000 };
  } catch {
    // A container without /proc: as on a system that does not tell.
    return { id: null, ms: uptime() * 1000 };
  }
}
