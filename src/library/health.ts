/**
 * `fleetd/health`: how the machine and a git repository are, for programs of your own. Runs in Bun and in Node; it
 * needs neither a server nor git.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { messageOf } from "../base/errors.ts";
import { judgeHealth, usedPercentOf } from "../fleet/health/judge-health.ts";
import { type CheckId, type Verdict, worstOf } from "../fleet/health/model.ts";
import { DEFAULT_SETTINGS } from "../fleet/settings/defaults.ts";
import { readDiskSpace } from "../platform/disk-space.ts";
import { readRepositoryFormat } from "../platform/git/bare-repository.ts";
import { findOldLocks } from "../platform/git/inspect-store.ts";
import { readMemory } from "../platform/memory.ts";

/** The room on the disk; figures are null when they cannot be found out, and the status is `unknown` then. */
export interface DiskHealth {
  readonly free_gb: number | null;
  readonly total_gb: number | null;
  readonly percent_used: number | null;
  readonly status: Verdict;
}

/** The memory that may be used, the limit of a cgroup counted. */
export interface MemoryHealth {
  readonly percent_used: number | null;
  readonly available_gb: number | null;
  readonly status: Verdict;
}

/** The repository; `detail` says what is wrong with it, or where it is. */
export interface GitHealth {
  readonly status: Verdict;
  readonly detail: string;
}

/** How everything is; `overall_status` is the worst, and `unknown` is never healthy. */
export interface SystemHealth {
  readonly disk: DiskHealth;
  readonly memory: MemoryHealth;
  readonly git: GitHealth;
  readonly overall_status: Verdict;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
}

const GIB = 1024 ** 3;
const inGib = (bytes: number): number => Math.round((bytes / GIB) * 100) / 100;
const rounded = (percent: number): number => Math.round(percent * 10) / 10;

/** Judges disk, memory and the git repository at `path` by the thresholds of `fleetd health`. Never throws. */
export async function getSystemHealth(path = "."): Promise<SystemHealth> {
  const nowWallMs = Date.now();
  const disk = readDiskSpace(path);
  const memory = await readMemory();
  const none = { ok: false, error: "not asked" } as const;
  const { checks } = judgeHealth(
    {
      monitor: none,
      remote: none,
      breaker: null,
      queue: none,
      ownRefs: none,
      services: null,
      state: none,
      access: null,
      key: none,
      store: none,
      git: none,
      disk: disk.ok ? { ok: true, value: { ...disk.value, path } } : disk,
      memory,
      clock: none,
    },
    DEFAULT_SETTINGS.health,
    nowWallMs,
  );
  const verdictOf = (id: CheckId): Verdict => checks.find((check) => check.id === id)?.verdict ?? "unknown";
  const space = disk.ok ? disk.value : null;
  const room = memory.ok ? memory.value : null;
  const git = judgeRepository(path, nowWallMs);
  const used = (free: number, total: number): number =>
    rounded(usedPercentOf({ availableBytes: free, totalBytes: total }));
  return {
    disk: {
      free_gb: space === null ? null : inGib(space.freeBytes),
      total_gb: space === null ? null : inGib(space.totalBytes),
      percent_used: space === null ? null : used(space.freeBytes, space.totalBytes),
      status: verdictOf("disk"),
    },
    memory: {
      percent_used: room === null ? null : used(room.availableBytes, room.totalBytes),
      available_gb: room === null ? null : inGib(room.availableBytes),
      status: verdictOf("memory"),
    },
    git,
    overall_status: worstOf([verdictOf("disk"), verdictOf("memory"), git.status]),
    timestamp: new Date(nowWallMs).toISOString(),
  };
}

function judgeRepository(path: string, nowWallMs: number): GitHealth {
  try {
    const folder = repositoryOf(resolve(path));
    if (readRepositoryFormat(folder) === null) {
      return { status: "critical", detail: `"${folder}" is no git repository` };
    }
    const [lock] = findOldLocks(folder, nowWallMs);
    if (lock !== undefined)
      return { status: "warn", detail: `"${lock.path}" was left by a git that was killed` };
    return { status: "ok", detail: folder };
  } catch (thrown) {
    return { status: "unknown", detail: messageOf(thrown) };
  }
}

/** A bare repository is its own folder; a clone has it in `.git`, a linked work tree has a file that names it. */
function repositoryOf(path: string): string {
  const inside = join(path, ".git");
  if (!existsSync(inside)) return path;
  if (statSync(inside).isDirectory()) return inside;
  const named = /^gitdir: (.+)$/m.exec(readFileSync(inside, "utf8"))?.[1] ?? "";
  const own = isAbsolute(named) ? named : join(path, named);
  const common = join(own, "commondir");
  return existsSync(common) ? resolve(own, readFileSync(common, "utf8").trim()) : own;
}
