/** Signals to exactly those processes that are meant: an id may be given to another one at any time. */
import { causedBy, type FleetError } from "../../base/errors.ts";
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import { isDenied } from "../io-error.ts";
import type { LinuxCalls } from "./linux-calls.ts";
import { isSame } from "./linux-exits.ts";
import { isDead, type LinuxProcess, readProcess, toIdentity } from "./linux-processes.ts";

/** See the head of this file. */
export class LinuxSignals {
  readonly #calls: LinuxCalls | null;

  constructor(calls: LinuxCalls | null) {
    this.#calls = calls;
  }

  /** False when it is gone. @throws FleetError NOT_AUTHORISED */
  sendToLiving(identity: ProcessIdentity, number: number): boolean {
    const before = readProcess(identity.pid);
    if (before === null || isDead(before)) return false;
    if (this.sendTo(identity, number)) return true;
    const row = readProcess(identity.pid);
    if (isSame(row, identity) && !isDead(row)) throw deniedError(identity.pid, undefined);
    return false;
  }

  /** By its handle where there are handles. False when it is gone, or does not take it. */
  sendTo(identity: ProcessIdentity, number: number): boolean {
    const calls = this.#calls;
    const handle = calls?.openProcess(identity.pid) ?? null;
    try {
      if (!isSame(readProcess(identity.pid), identity)) return false;
      if (calls === null || handle === null) return send(identity.pid, number);
      return calls.signalProcess(handle, number);
    } finally {
      if (handle !== null) calls?.closeProcess(handle);
    }
  }
}

/** To all of a process group. False when nobody was there. @throws FleetError NOT_AUTHORISED */
export const sendToGroup = (group: number, number: number): boolean => send(-group, number);

/** Whether it is the same process in the same group as in the look. */
export function isStillThere(row: LinuxProcess): boolean {
  const now = readProcess(row.pid);
  return now !== null && isSame(now, toIdentity(row)) && now.group === row.group && !isDead(now);
}

/** To a process, or with a negative id to a group. */
function send(pid: number, number: number): boolean {
  try {
    process.kill(pid, number);
    return true;
  } catch (thrown) {
    if (!isDenied(thrown)) return false;
    throw deniedError(Math.abs(pid), thrown);
  }
}

const deniedError = (pid: number, thrown: unknown): FleetError =>
  causedBy("NOT_AUTHORISED", `Cannot signal process ${pid}: it belongs to another user`, thrown);
