import { readFileSync, statSync } from "node:fs";

const PASSWD = "/etc/passwd";

/** The name of a user of this machine; its number where /etc/passwd has none for it (a directory service, a container). */
export const userName = (id: number): string => namesById().get(id) ?? String(id);

let known: { readonly stamp: string; readonly names: ReadonlyMap<number, string> } | undefined;

function namesById(): ReadonlyMap<number, string> {
  const stamp = stampOf(PASSWD);
  if (known?.stamp !== stamp) known = { stamp, names: stamp === "" ? new Map() : readNames() };
  return known.names;
}

/** Which content a file has; empty when there is none. */
function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.ino} ${found.mtimeMs} ${found.size}`;
}

function readNames(): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of readFileSync(PASSWD, "utf8").split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    // The first line of several with one number counts, as for the system.
    if (name !== "" && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
