import { readHolder, tryLock } from "../../platform/process-lock.ts";
import { clearSocket, isOwnSocket } from "../../platform/socket.ts";
import { type Diagnosis, healthy, mendable, type Patient, trouble } from "./diagnosis.ts";

/** The monitor and its socket: one that answers, one that hangs, one that left its socket behind. */
export function checkMonitor(patient: Patient): Diagnosis[] {
  return patient.daemon === null ? checkAbsent(patient) : checkRunning(patient);
}

function checkRunning({ paths, daemon, version }: Patient): Diagnosis[] {
  if (daemon === null) return [];
  const found: Diagnosis[] = [];
  const holder = readHolder(paths.daemonLock);
  if (holder !== null && holder.pid !== daemon.pid) {
    found.push(
      trouble("second-monitor", "critical", {
        evidence: `pid ${daemon.pid} answers on the socket, and pid ${holder.pid} holds the lock of the monitor`,
        fix: `kill ${daemon.pid} ${holder.pid}, then fleetd monitor`,
      }),
    );
  }
  if (daemon.version !== version) {
    found.push(
      trouble("monitor-version", "warn", {
        evidence: `the monitor (pid ${daemon.pid}) is fleetd ${daemon.version}, this is ${version}`,
        fix: `Start it anew: kill ${daemon.pid}, then fleetd monitor`,
      }),
    );
  }
  return found.length > 0 ? found : [healthy("socket", `pid ${daemon.pid} answers on ${paths.socket}`)];
}

function checkAbsent({ paths }: Patient): Diagnosis[] {
  if (!isOwnSocket(paths.socket)) return [];
  const lock = tryLock(paths.daemonLock);
  if (lock === null) {
    const pid = readHolder(paths.daemonLock)?.pid ?? null;
    const evidence = `a monitor (pid ${pid ?? "unknown"}) holds its lock and does not answer on ${paths.socket}`;
    const fix =
      pid === null
        ? "Find it (ps aux) and end it, then: fleetd monitor"
        : `kill ${pid}, then: fleetd monitor`;
    return [trouble("monitor-stuck", "critical", { evidence, fix })];
  }
  lock.release();
  const evidence = `${paths.socket} was left by a monitor that was killed`;
  const mend = { what: `remove ${paths.socket}`, isSafe: true, run: () => removeSocket(paths) };
  return [mendable("socket", "warn", { evidence, mend })];
}

/** Under the lock of the monitor, so that none that starts now loses its socket. */
function removeSocket(paths: Patient["paths"]): void {
  const lock = tryLock(paths.daemonLock);
  if (lock === null) return;
  try {
    clearSocket(paths.socket);
  } finally {
    lock.release();
  }
}
