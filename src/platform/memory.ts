/**
 * How much memory is left. A process in a container meets the limit of its cgroup long before that of the machine, so
 * the tighter one counts. Page cache that the kernel gives back on demand counts as available, in both.
 */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { messageOf } from "../base/errors.ts";
import type { MemorySpace } from "../base/ports/machine.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** `root` stands for "/" where `/proc` and `/sys` are looked for. */
export async function readMemory(root = ""): Promise<Result<MemorySpace>> {
  try {
    if (process.platform === "linux" || root !== "") return readLinux(root);
    if (process.platform === "darwin") return await readDarwin();
    return ok({ availableBytes: freemem(), totalBytes: totalmem(), limitedBy: "machine" });
  } catch (thrown) {
    return fail(`Cannot ask for memory: ${messageOf(thrown)}`);
  }
}

function readLinux(root: string): Result<MemorySpace> {
  const machine = parseMeminfo(readText(`${root}/proc/meminfo`) ?? "");
  if (machine === null) return fail(`Cannot read "${root}/proc/meminfo": no MemTotal and MemAvailable`);
  const limit = readCgroup(root, machine.totalBytes);
  if (limit === null || limit.availableBytes >= machine.availableBytes) return ok(machine);
  return ok(limit);
}

/** The sizes in `/proc/meminfo`; null when they are not there. */
export function parseMeminfo(text: string): MemorySpace | null {
  const sizeOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1024;
  // Before Linux 3.14 there is no MemAvailable.
  const available = sizeOf("MemAvailable") || sizeOf("MemFree") + sizeOf("Cached");
  const total = sizeOf("MemTotal");
  if (Number.isNaN(available) || Number.isNaN(total)) return null;
  return { availableBytes: available, totalBytes: total, limitedBy: "machine" };
}

/** The names of one hierarchy: v2's, or those of v1's memory controller. */
const V2 = { limit: "memory.max", used: "memory.current", cache: "inactive_file" };
const V1 = { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cache: "total_inactive_file" };

/** The tightest limit on the way from the own cgroup to the root; null where nothing limits. */
function readCgroup(root: string, machineBytes: number): MemorySpace | null {
  const lines = (readText(`${root}/proc/self/cgroup`) ?? "").split("\n");
  const v1 = lines.map((line) => /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/.exec(line)?.[1]).find(Boolean);
  const v2 = lines.map((line) => /^0::(\/.*)$/.exec(line)?.[1]).find(Boolean);
  const spaces = [
    ...(v2 === undefined ? [] : levels(`${root}/sys/fs/cgroup`, v2, V2)),
    ...(v1 === undefined ? [] : levels(`${root}/sys/fs/cgroup/memory`, v1, V1)),
  ].filter((space) => space.totalBytes < machineBytes);
  return spaces.toSorted((one, other) => one.availableBytes - other.availableBytes)[0] ?? null;
}

/** In a container the path may be the host's, which is not there; then its parents are looked at, up to the mount. */
function levels(mount: string, path: string, names: typeof V2): MemorySpace[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  const folders = parts.map((_, index) => `${mount}/${parts.slice(0, index + 1).join("/")}`);
  return [mount, ...folders].flatMap((folder) => readLevel(folder, names) ?? []);
}

function readLevel(folder: string, names: typeof V2): MemorySpace | null {
  const limit = Number(readText(`${folder}/${names.limit}`) ?? Number.NaN);
  const used = Number(readText(`${folder}/${names.used}`) ?? Number.NaN);
  // "max" is no number, and means no limit.
  if (Number.isNaN(limit) || Number.isNaN(used)) return null;
  const stat = readText(`${folder}/memory.stat`) ?? "";
  const cache = Number(new RegExp(`^${names.cache} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
  return {
    availableBytes: Math.max(0, limit - Math.max(0, used - cache)),
    totalBytes: limit,
    limitedBy: "cgroup",
  };
}

async function readDarwin(): Promise<Result<MemorySpace>> {
  // Also for programs that run in Node, so not Bun's own; loaded only here, where it is needed.
  const { execFile } = await import("node:child_process");
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile("/usr/bin/vm_stat", { timeout: 5_000 }, (failed, stdout) =>
    failed === null ? resolve(stdout) : reject(failed),
  );
  const text = await promise;
  const available = parseVmStat(text);
  if (available === null) return fail("Cannot read the answer of vm_stat");
  return ok({
    availableBytes: Math.min(available, totalmem()),
    totalBytes: totalmem(),
    limitedBy: "machine",
  });
}

/** Bytes that `vm_stat` counts as free, inactive, speculative or purgeable; null when it said nothing of them. */
export function parseVmStat(text: string): number | null {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? Number.NaN);
  const pages = (name: string): number =>
    Number(new RegExp(`^Pages ${name}:\\s+(\\d+)\\.`, "m").exec(text)?.[1] ?? Number.NaN);
  const bytes =
    pageBytes * (pages("free") + pages("inactive") + (pages("speculative") || 0) + (pages("purgeable") || 0));
  return Number.isNaN(bytes) ? null : bytes;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // Not there, or not ours to read: this source says nothing, and another one may.
    return undefined;
  }
}
