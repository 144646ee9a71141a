/** What /proc tells of the processes that services came to be. Linux only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that a service is, or left behind. */
export interface ServiceProcess {
  readonly pid: number;
  /** When it was started, in ticks since the system was: with the id it names one process for ever. */
  readonly start: string;
  readonly parent: number;
  readonly state: string;
  readonly words: string;
  /** From its environment; "" where it forgot that. */
  readonly service: string;
  readonly instance: string;
  readonly run: string;
}

/** Every process of the system; zombies have neither words nor environment. */
export function lookAtProcesses(): ServiceProcess[] {
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? read(Number(name)) : []));
}

/** Living ones that have `mark` in their words or in their environment. */
export const markedProcesses = (mark: string): ServiceProcess[] =>
  lookAtProcesses().filter(
    ({ pid, state, words }) =>
      state !== "Z" && pid !== process.pid && (words.includes(mark) || environmentOf(pid).includes(mark)),
  );

/**
 * Resident memory and open files of a process; null when it is gone. Files of /proc are left out: a daemon keeps those of
 * all processes of the machine open, and how many there are is not its doing.
 */
export function usageOf(pid: number): { readonly residentKb: number; readonly descriptors: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
    return {
      residentKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0),
      descriptors: targets.filter((target) => !target.startsWith("/proc/")).length,
    };
  } catch {
    // It has ended meanwhile.
    return null;
  }
}

function read(pid: number): ServiceProcess[] {
  const stat = textOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent = "0"] = fields;
  if (stat === "") return [];
  const environment = environmentOf(pid).split("\0");
  const variable = (name: string): string =>
    environment.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
  return [
    {
      pid,
      start: fields[19] ?? "",
      parent: Number(parent),
      state,
      words: textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " "),
      service: variable("FLEETD_SERVICE"),
      instance: variable("FLEETD_INSTANCE"),
      run: variable("FLEETD_SERVICE_RUN"),
    },
  ];
}

const environmentOf = (pid: number): string => textOf(`/proc/${pid}/environ`);

function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return "/proc/";
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}
