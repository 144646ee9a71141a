/**
 * macOS, by its own tools: `ps` for all processes in one call, `netstat` for every listening socket, `lsof` for who
 * holds them. lsof shows a user only their own processes, so what netstat alone has is somebody's who is not told.
 */
import type { Listener, ProcessTable } from "../../base/ports/process-table.ts";
import { startOfProcess } from "../process-identity.ts";
import { joinEqual } from "./join-listeners.ts";
import { addUnowned, LSOF_FIELDS, parseLsof, parseNetstat } from "./lsof-output.ts";
import { PS_COLUMNS, parsePs } from "./ps-output.ts";
import { runTool } from "./run-tool.ts";
import { sendSignal } from "./send-signal.ts";

/** See the head of this file. */
export const darwinTable: ProcessTable = {
  list: async () => parsePs(await runTool(["ps", "-axo", PS_COLUMNS])),
  pick: async (pids) => {
    if (pids.length === 0) return [];
    const rows = parsePs(await runTool(["ps", "-o", PS_COLUMNS, "-p", pids.join(",")]));
    const byPid = new Map(rows.map((row) => [row.pid, row]));
    return pids.flatMap((pid) => byPid.get(pid) ?? []);
  },
  details: async (pid) => {
    const line = await runTool(["ps", "-ww", "-o", "uid=,user=,command=", "-p", String(pid)]);
    const [, userId, user = null, command] = /^\s*(\d+)\s+(\S+)\s+(.*)$/m.exec(line) ?? [];
    if (userId === undefined) return null;
    // Where one word ends and the next begins is not told.
    return { userId: Number(userId), user, commandLine: command === undefined ? null : [command] };
  },
  listeners: findListeners,
  isListened: async (port, protocol) =>
    (await listSockets(port)).some((one) => protocol === null || one.protocol === protocol),
  // The environment of a process is not told.
  isOurs: () => Promise.resolve(false),
  signal: (identity, signal) => Promise.resolve(sendSignal(identity, signal, startOfProcess)),
};

async function findListeners(port: number | null): Promise<Listener[]> {
  const which = port === null ? "" : `:${port}`;
  const [tcp, udp, sockets] = await Promise.all([
    runTool(["lsof", "-nP", `-iTCP${which}`, "-sTCP:LISTEN", "-F", LSOF_FIELDS]),
    // Apart: asked together, the state that is wanted of TCP leaves out all of UDP (lsof 4.95).
    runTool(["lsof", "-nP", `-iUDP${which}`, "-F", LSOF_FIELDS]),
    listSockets(port),
  ]);
  const held = [...parseLsof(tcp), ...parseLsof(udp)];
  const found = held.filter((one) => port === null || one.port === port);
  const rows = await darwinTable.pick([
    ...new Set(found.flatMap(({ owners }) => owners.map(({ pid }) => pid))),
  ]);
  const starts = new Map(rows.map(({ pid, start }) => [pid, start]));
  const owned = found.map((one) => ({
    ...one,
    owners: one.owners.map((owner) => ({ ...owner, start: starts.get(owner.pid) ?? null })),
  }));
  return joinEqual(addUnowned(owned, sockets));
}

async function listSockets(port: number | null): Promise<Listener[]> {
  const [tcp, udp] = await Promise.all([
    runTool(["netstat", "-anW", "-p", "tcp"]),
    runTool(["netstat", "-anW", "-p", "udp"]),
  ]);
  return parseNetstat(`${tcp}\n${udp}`).filter((one) => port === null || one.port === port);
}
