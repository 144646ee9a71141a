import { messageOf } from "../../base/errors.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import { ownCommand } from "../own-process.ts";
import { type ControlGroups, openControlGroups } from "./control-groups.ts";
import type { LinuxCalls } from "./linux-calls.ts";
import { LinuxHost } from "./linux-host.ts";

/**
 * Opens the host of supervised processes; one per process. `helper`: the words that start fleetd, if not this program.
 * `usesControlGroups` false: also where there are some.
 */
export async function openProcessHost(
  options: { readonly helper?: readonly string[]; readonly usesControlGroups?: boolean } = {},
): Promise<ProcessHost> {
  const helper = options.helper ?? ownCommand();
  if (process.platform === "linux") return openLinuxHost(helper, options.usesControlGroups ?? true);
  if (process.platform !== "win32") return new (await import("./posix-host.ts")).PosixHost();
  return new (await import("./windows-host.ts")).WindowsHost(helper);
}

async function openLinuxHost(helper: readonly string[], usesGroups: boolean): Promise<ProcessHost> {
  const notes: string[] = [];
  const calls = await openCalls(notes);
  calls?.adoptOrphans(true);
  const found = usesGroups
    ? openControlGroups(calls === null ? null : calls.attribute)
    : { unavailable: "the configuration says so (supervisor.cgroup)" };
  if ("unavailable" in found) notes.push(`No control groups: ${found.unavailable}`);
  const groups: ControlGroups | null = "unavailable" in found ? null : found;
  const enforces = groups?.enforces ?? { memory: false, cpus: false, pids: false };
  const missing = Object.entries(enforces).flatMap(([name, isKept]) => (isKept ? [] : [name]));
  if (groups !== null && missing.length > 0) {
    notes.push(`The control group does not limit ${missing.join(", ")}: ${groups.reason}`);
  }
  const abilities = {
    containment: groups === null ? ("process-group" as const) : ("cgroup" as const),
    enforces,
    adoptedExits: canFollow(calls),
    notes,
  };
  return new LinuxHost({ calls, groups, abilities, helper });
}

async function openCalls(notes: string[]): Promise<LinuxCalls | null> {
  try {
    const { openLinuxCalls } = await import("./linux-calls.ts");
    return openLinuxCalls();
  } catch (thrown) {
    notes.push(
      `No calls of the system (${messageOf(thrown)}): services cannot run as other users or get sockets, ` +
        "and how an adopted process ended is known only while it is a zombie",
    );
    return null;
  }
}

function canFollow(calls: LinuxCalls | null): boolean {
  const handle = calls?.openProcess(process.pid) ?? null;
  if (handle === null) return false;
  calls?.closeProcess(handle);
  return true;
}
