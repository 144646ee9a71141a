import type { ProcessDetails } from "../../base/ports/process-table.ts";
import { readFileOrNull } from "./linux-table.ts";
import { userName } from "./users.ts";

/** Whose rights a process acts with (its effective user); null when it is gone. */
export function userIdOf(pid: number): number | null {
  // Not the owner of its folder: that is root for whatever changed its user or may not be debugged.
  const status = readFileOrNull(`/proc/${pid}/status`)?.toString("latin1");
  const id = /^Uid:\t\d+\t(\d+)/m.exec(status ?? "")?.[1];
  return id === undefined ? null : Number(id);
}

/** User and command line of a process; null when it is gone. */
export function detailsOf(pid: number): ProcessDetails | null {
  const userId = userIdOf(pid);
  if (userId === null) return null;
  const words = readFileOrNull(`/proc/${pid}/cmdline`)?.toString("utf8") ?? "";
  // Programs may write over it and leave no zero at its end; the kernel's own have none at all.
  const commandLine = words === "" ? null : words.replace(/\0+$/, "").split("\0");
  return { userId, user: userName(userId), commandLine };
}
