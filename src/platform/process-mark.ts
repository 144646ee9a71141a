import { variablesOf } from "./processes/linux-table.ts";

const MARK = "FLEETD_INSTANCE_OF";

/** From now on, what this process starts with its own environment carries `key`, and so does whatever comes of it. */
export function markChildren(key: string): void {
  process.env[MARK] = key;
}

/** Whether `pid` was started by an instance with this `key`, in this life or one before. False where it cannot be told. */
export const wasMarked = (pid: number, key: string): boolean => variablesOf(pid).includes(`${MARK}=${key}`);
