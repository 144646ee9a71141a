import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { judgeHealth } from "../../fleet/health/judge-health.ts";
import type { CheckId } from "../../fleet/health/model.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { systemClock } from "../../platform/clock.ts";
import { readDiskSpace } from "../../platform/disk-space.ts";
import { systemGitEnvironment } from "../../platform/git/git-environment.ts";
import { probeGit } from "../../platform/git/probe-git.ts";
import { readMemory } from "../../platform/memory.ts";
import { type Diagnosis, healthy } from "./diagnosis.ts";

const OF_MACHINE: readonly CheckId[] = ["git", "disk", "memory"];

/** What can be examined where no server was made yet: git, disk and memory. `root`: where servers will be. */
export async function examineMachine(root: string, settings: ServerSettings): Promise<Diagnosis[]> {
  const there = nearestFolder(root);
  const none = fail("no server was made yet");
  const disk = readDiskSpace(there);
  const facts = {
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
    git: await gitVersion(),
    disk: disk.ok ? ok({ ...disk.value, path: there }) : disk,
    memory: await readMemory(),
    clock: none,
  };
  const { checks } = judgeHealth(facts, settings.health, systemClock.wallMs());
  return checks
    .filter((check) => OF_MACHINE.includes(check.id))
    .map(({ id, verdict, evidence, fix }) =>
      verdict === "ok" ? healthy(id, evidence) : { id, verdict, evidence, fix, mend: null },
    );
}

async function gitVersion(): Promise<Result<string>> {
  try {
    return ok(await probeGit(systemGitEnvironment()));
  } catch (thrown) {
    return fail(messageOf(thrown));
  }
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}
