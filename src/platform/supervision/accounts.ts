import { readFileSync } from "node:fs";
import { FleetError } from "../../base/errors.ts";
import type { Account } from "./exec-plan.ts";

/**
 * The account that a name or number means, or null when it is the one this process has anyway.
 * @throws FleetError CONFIG when there is no such user or group, or this process may not become it
 */
export async function findAccount(user: string | null, group: string | null): Promise<Account | null> {
  if (user === null && group === null) return null;
  const found = user === null ? null : await findUser(user);
  const gid = group === null ? (found?.gid ?? null) : await findGroup(group);
  if (gid === null) {
    const why = "it is a number without an entry, so its group is not known; name a group too";
    throw new FleetError("CONFIG", `Cannot start as user "${user}": ${why}`);
  }
  const isOwn = (found === null || found.uid === process.getuid?.()) && gid === process.getgid?.();
  if (process.geteuid?.() === 0) return { uid: found?.uid ?? null, gid, name: found?.name ?? null };
  if (isOwn) return null;
  const wanted = user === null ? `group "${group}"` : `user "${user}"`;
  const own = process.getuid?.() ?? "unknown";
  throw new FleetError(
    "CONFIG",
    `Cannot start as ${wanted}: this process has user id ${own}, root is needed`,
  );
}

interface User {
  readonly name: string | null;
  readonly uid: number;
  readonly gid: number | null;
}

async function findUser(user: string): Promise<User> {
  const [name, , uid, gid] = await findEntry("passwd", user);
  if (name !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  if (isNumber(user)) return { name: null, uid: Number(user), gid: null };
  throw new FleetError("CONFIG", `Cannot start as user "${user}": there is no such user`);
}

async function findGroup(group: string): Promise<number> {
  const [name, , gid] = await findEntry("group", group);
  if (name !== undefined) return Number(gid);
  if (isNumber(group)) return Number(group);
  throw new FleetError("CONFIG", `Cannot start as group "${group}": there is no such group`);
}

const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text);

/** The fields of an entry, by name or number; none where there is none. Directories of a network are asked by `getent`. */
async function findEntry(table: "passwd" | "group", wanted: string): Promise<string[]> {
  const isWanted = ([name, , id]: readonly string[]): boolean => name === wanted || id === wanted;
  const local = readFileSync(`/etc/${table}`, "utf8").split("\n");
  const found = local.map((line) => line.split(":")).find(isWanted);
  if (found !== undefined) return found;
  const program = Bun.which("getent", { PATH: "/usr/bin:/bin" });
  if (program === null) return [];
  const asked = Bun.spawn([program, table, "--", wanted], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {},
    timeout: GETENT_MS,
  });
  const entry = (await asked.stdout.text()).trim().split(":");
  return isWanted(entry) ? entry : [];
}

/** A directory server that is away must not hold a start for ever. Chosen, not measured. */
const GETENT_MS = 10_000;

/** Whom a program runs as, for its environment: name, home and shell. @throws FleetError CONFIG when there is no such user */
export async function findLogin(
  user: string,
): Promise<{ readonly name: string; readonly home: string; readonly shell: string }> {
  const [name, , , , , home = "", shell = ""] = await findEntry("passwd", user);
  if (name !== undefined) return { name, home: home || "/", shell: shell || "/bin/sh" };
  if (isNumber(user)) return { name: user, home: "/", shell: "/bin/sh" };
  throw new FleetError("CONFIG", `Cannot start as user "${user}": there is no such user`);
}
