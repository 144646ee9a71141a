/**
 * Ends processes by the rules of `may-kill.ts`: TERM, time to end, KILL, and then a look whether it is gone. An answer
 * always says what was found to be true at the end, never what was tried.
 */
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import type { Listener, ProcessRow, ProcessTable, SocketProtocol } from "../../base/ports/process-table.ts";
import { judgeKill, type KillRefusal } from "./may-kill.ts";

/**
 * What became of it.
 * - `killed`: it was there and is gone, or a zombie that only its parent can collect
 * - `not-found`: there is none; `forbidden`: by a rule that no force overrides, or by the system
 * - `timeout`: it is still there; `not-ours`: fleetd did not start it, and force was not given
 */
export type KillOutcome = "killed" | "not-found" | "forbidden" | "timeout" | "not-ours";

/** Why something is forbidden: by which rule, or because of the rights of this user. */
export type ForbiddenBy = Exclude<KillRefusal, "not-ours"> | "system" | "unknown-start";

/** One process and what became of it. */
export interface KillAnswer {
  readonly outcome: KillOutcome;
  readonly pid: number;
  /** Null where there was no such process. */
  readonly name: string | null;
  /** Only with `forbidden`. */
  readonly by: ForbiddenBy | null;
  /** Whether TERM was not enough. */
  readonly neededKill: boolean;
}

/** What ending takes. */
export interface KillPorts {
  readonly table: ProcessTable;
  readonly clock: Clock;
  readonly selfPid: number;
}

/** How to end something. */
export interface KillOptions {
  readonly force: boolean;
  /** Only judge: nothing is signalled, and what would be done is answered as done. */
  readonly dryRun: boolean;
  /** How long a process may take after TERM. */
  readonly termMs: number;
  /** How long it may take to go after KILL, and a port to become free. */
  readonly killMs: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 20;

/** Which process; with `start` only that one, without it whoever has the id now. */
export interface KillTarget {
  readonly pid: number;
  readonly start: string | null;
}

/** Ends one process. */
export async function endProcess(
  { pid, start }: KillTarget,
  ports: KillPorts,
  options: KillOptions,
): Promise<KillAnswer> {
  const rows = await ports.table.list();
  const row = rows.find((one) => one.pid === pid && (start === null || one.start === start));
  // What is no id of one process is answered by the rules, since a look finds none.
  const name = row?.name ?? null;
  if (pid > 1 && (row === undefined || row.state === "dead")) return answer("not-found", { pid, name });
  const identity = { pid, start: row?.start ?? "" };
  const refusal = await judge(identity, rows, { ports, options });
  if (refusal !== null) return refuse(refusal, { pid, name });
  if (row?.start === null) return { ...answer("forbidden", { pid, name }), by: "unknown-start" };
  if (options.dryRun) return answer("killed", { pid, name });
  return { ...(await signalUntilGone(identity, ports, options)), name };
}

type Named = Pick<KillAnswer, "pid" | "name">;
type Means = { readonly ports: KillPorts; readonly options: Pick<KillOptions, "force"> };

const answer = (outcome: KillOutcome, { pid, name }: Named): KillAnswer => ({
  outcome,
  pid,
  name,
  by: null,
  neededKill: false,
});

const refuse = (refusal: KillRefusal, named: Named): KillAnswer =>
  refusal === "not-ours" ? answer("not-ours", named) : { ...answer("forbidden", named), by: refusal };

async function judge(
  target: ProcessIdentity,
  rows: readonly ProcessRow[],
  { ports, options }: Means,
): Promise<KillRefusal | null> {
  const ours = (await ports.table.isOurs(target.pid)) ? [target] : [];
  const verdict = judgeKill({ target, selfPid: ports.selfPid, parents: rows, ours, force: options.force });
  return verdict.ok ? null : verdict.error;
}

async function signalUntilGone(
  identity: ProcessIdentity,
  ports: KillPorts,
  options: KillOptions,
): Promise<KillAnswer> {
  const named = { pid: identity.pid, name: null };
  const steps = [
    { signal: "SIGTERM", withinMs: options.termMs },
    { signal: "SIGKILL", withinMs: options.killMs },
  ] as const;
  for (const { signal, withinMs } of steps) {
    const neededKill = signal === "SIGKILL";
    const sent = await ports.table.signal(identity, signal);
    if (sent === "forbidden") return { ...answer("forbidden", named), by: "system", neededKill };
    const isGone = await becomesTrue(() => isGoneNow(identity, ports), withinMs, { ports, options });
    if (isGone) return { ...answer("killed", named), neededKill };
  }
  return { ...answer("timeout", named), neededKill: true };
}

async function isGoneNow({ pid, start }: ProcessIdentity, { table }: KillPorts): Promise<boolean> {
  const [row] = await table.pick([pid]);
  return row === undefined || row.start !== start || row.state === "dead";
}

async function becomesTrue(
  check: () => Promise<boolean>,
  withinMs: number,
  { ports: { clock }, options: { signal } }: { ports: KillPorts; options: KillOptions },
): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + withinMs;
  while (!(await check())) {
    if (clock.monotonicMs() >= deadlineMs) return false;
    await clock.sleep(POLL_MS, signal);
  }
  return true;
}

/** What became of a port. */
export interface FreePortAnswer {
  /** `killed`: the port is free now; `not-found`: nobody listened. */
  readonly outcome: KillOutcome;
  /** One per owner, in the order they were ended. */
  readonly owners: readonly KillAnswer[];
  /** Who listens on it now; empty where nothing was signalled, and when it is free. */
  readonly left: readonly Listener[];
}

/** Which port. */
export interface PortQuestion {
  readonly port: number;
  /** Null: both. */
  readonly protocol: SocketProtocol | null;
}

/**
 * Frees a port: ends all who hold it, and looks again. All owners are judged before the first signal is sent: where one of them
 * must not be ended none is, since the port would not become free.
 */
export async function freePort(
  question: PortQuestion,
  ports: KillPorts,
  options: KillOptions,
): Promise<FreePortAnswer> {
  const listeners = await listenersOn(question, ports);
  if (listeners.length === 0) return { outcome: "not-found", owners: [], left: [] };
  const targets = new Map(
    listeners.flatMap(({ owners }) => owners?.map((owner) => [owner.pid, owner]) ?? []),
  );
  // Somebody has it whom this user may not see, and so may not end either.
  const isHidden = listeners.some(({ owners }) => owners === null);
  const judged = await endAll(targets.values(), ports, { ...options, dryRun: true });
  const refused =
    judged.find(({ outcome }) => outcome === "forbidden") ??
    judged.find(({ outcome }) => outcome === "not-ours");
  if (isHidden || refused !== undefined) {
    return { outcome: isHidden ? "forbidden" : (refused?.outcome ?? "forbidden"), owners: judged, left: [] };
  }
  if (options.dryRun) return { outcome: "killed", owners: judged, left: [] };
  const owners = await endAll(targets.values(), ports, options);
  let left = listeners;
  const isFree = await becomesTrue(
    async () => {
      left = await listenersOn(question, ports);
      return left.length === 0;
    },
    // Where an owner is still there the port is not going to be free.
    owners.every(({ outcome }) => outcome === "killed" || outcome === "not-found") ? options.killMs : 0,
    { ports, options },
  );
  if (isFree) return { outcome: "killed", owners, left: [] };
  return {
    outcome: owners.some(({ outcome }) => outcome === "forbidden") ? "forbidden" : "timeout",
    owners,
    left,
  };
}

async function endAll(
  targets: Iterable<KillTarget>,
  ports: KillPorts,
  options: KillOptions,
): Promise<KillAnswer[]> {
  return await Promise.all(Array.from(targets, (target) => endProcess(target, ports, options)));
}

async function listenersOn(
  { port, protocol }: PortQuestion,
  { table }: KillPorts,
): Promise<readonly Listener[]> {
  const listeners = await table.listeners(port);
  return listeners.filter((one) => protocol === null || one.protocol === protocol);
}
