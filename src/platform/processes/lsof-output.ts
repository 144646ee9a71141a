/** What `lsof -F` and macOS' `netstat -an` say of listening sockets. */
import type { Listener, ListenerOwner, SocketProtocol } from "../../base/ports/process-table.ts";

/** A socket whose owners are known. */
export interface OwnedListener extends Listener {
  readonly owners: readonly ListenerOwner[];
}

/** Process, command, user, type, protocol and name: what `parseLsof` reads. */
export const LSOF_FIELDS = "pcLtPn";

/** One entry per socket of `lsof -nP -i... -F pcLtPn`, whose lines are a letter and a value; owners have no start yet. */
export function parseLsof(text: string): OwnedListener[] {
  const found: OwnedListener[] = [];
  let owner: ListenerOwner = { pid: 0, start: null, name: "", user: null };
  let socket = { type: "", protocol: "" };
  for (const line of text.split("\n")) {
    const value = line.slice(1);
    if (line.startsWith("p")) owner = { pid: Number(value), start: null, name: "", user: null };
    else if (line.startsWith("c")) owner = { ...owner, name: value };
    else if (line.startsWith("L")) owner = { ...owner, user: value };
    else if (line.startsWith("t")) socket = { ...socket, type: value };
    else if (line.startsWith("P")) socket = { ...socket, protocol: value };
    else if (line.startsWith("n")) found.push(...toListener(value, socket, owner));
  }
  return found;
}

/** A client's socket has an arrow to the other end. */
function toListener(
  name: string,
  { type, protocol }: { readonly type: string; readonly protocol: string },
  owner: ListenerOwner,
): OwnedListener[] {
  const [, host = "", port] = /^(.*):(\d+)$/.exec(name) ?? [];
  if (port === undefined || name.includes("->")) return [];
  const address = host === "*" ? (type === "IPv6" ? "::" : "0.0.0.0") : host.replace(/^\[|\]$/g, "");
  const kind: SocketProtocol = protocol === "UDP" ? "udp" : "tcp";
  return [{ protocol: kind, address, port: Number(port), user: owner.user, owners: [owner] }];
}

const NETSTAT_LINE = /^(tcp|udp)(4|6|46)\s+\d+\s+\d+\s+(\S+)\.(\d+)\s+(\S+)(?:\s+(\S+))?\s*$/;

/** The listening sockets of all users, without owners. The port stands behind the last dot. */
export function parseNetstat(text: string): Listener[] {
  return text.split("\n").flatMap((line) => {
    const [, protocol, family, host = "", port, remote, state] = NETSTAT_LINE.exec(line) ?? [];
    const isWaiting = protocol === "tcp" ? state === "LISTEN" : remote === "*.*";
    if (port === undefined || !isWaiting) return [];
    const address = host === "*" ? (family === "4" ? "0.0.0.0" : "::") : host;
    const kind: SocketProtocol = protocol === "udp" ? "udp" : "tcp";
    return [{ protocol: kind, address, port: Number(port), user: null, owners: null }];
  });
}

/** Adds what only `sockets` has. Addresses may be cut there, so port and protocol decide. */
export function addUnowned(owned: readonly OwnedListener[], sockets: readonly Listener[]): Listener[] {
  const isKnown = (one: Listener): boolean =>
    owned.some(({ port, protocol }) => port === one.port && protocol === one.protocol);
  return [...owned, ...sockets.filter((one) => !isKnown(one))];
}
