import { closeSync, fchownSync } from "node:fs";
import { FleetError } from "../../base/errors.ts";
import type { SpawnRequest } from "../../base/ports/process-host.ts";
import { findAccount } from "./accounts.ts";
import { type ExecFailure, type ExecPlan, HELPER_VARIABLE, HELPER_WORD, READY } from "./exec-plan.ts";
import { RUN_VARIABLE } from "./run-variable.ts";
import { openOutput, spawnError } from "./spawn-checks.ts";
import type { SpawnPlace, Started } from "./spawn-direct.ts";

/** Whether something has to be done between the start of the process and that of the program. */
export const needsHelper = (request: SpawnRequest): boolean =>
  request.user !== null || request.group !== null || request.listeners.length > 0;

/** What the helper needs to be told. */
export interface HelperPlace {
  /** The words that start it. */
  readonly helper: readonly string[];
  /** Whether the control group bounds the number of processes, so that nothing else has to. */
  readonly enforcesPids: boolean;
  /** Gives the start up. */
  readonly signal: AbortSignal | undefined;
}

/** How long the helper may take; on a machine that swaps a start takes seconds. Chosen, not measured. */
const HELPER_MS = 30_000;

/** Starts a program through the helper of `exec-plan.ts`. @throws FleetError with what the helper said */
export async function spawnThroughHelper(
  request: SpawnRequest,
  place: SpawnPlace,
  { helper, enforcesPids, signal }: HelperPlace,
): Promise<Started> {
  const account = await findAccount(request.user, request.group);
  signal?.throwIfAborted();
  const plan: ExecPlan = {
    program: place.program,
    words: request.command,
    cwd: request.cwd,
    environment: place.environment,
    account,
    listeners: request.listeners.length,
    processesMax: enforcesPids || (account?.uid ?? 0) === 0 ? null : request.limits.pids,
  };
  const output = openOutput(request.output);
  const options = {
    cwd: "/",
    // The program's own variables could have a say in what the helper loads, and it may still be root.
    env: { [HELPER_VARIABLE]: "1", [RUN_VARIABLE]: request.run },
    detached: true,
    ...place.into,
  };
  const stdin = new TextEncoder().encode(JSON.stringify(plan));
  try {
    // A program that opens /dev/stdout by name needs a right to the file itself.
    if (account !== null && account.uid !== null) fchownSync(output, account.uid, account.gid);
    const started = place.spawn(() =>
      Bun.spawn([...helper, HELPER_WORD], {
        ...options,
        stdio: [stdin, "pipe", output, ...request.listeners],
      }),
    );
    await untilExec(started.child, place.program, signal);
    return started;
  } catch (thrown) {
    throw spawnError(place.program, thrown);
  } finally {
    closeSync(output);
  }
}

/** The pipe ends when the helper has become the program, or has ended; what it said before tells which. */
async function untilExec(
  child: Bun.Subprocess<Uint8Array, "pipe">,
  program: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = (): void => child.kill("SIGKILL");
  const timer = setTimeout(end, HELPER_MS);
  signal?.addEventListener("abort", end);
  const said = await child.stdout.text();
  clearTimeout(timer);
  signal?.removeEventListener("abort", end);
  if (said === READY) return;
  child.kill("SIGKILL");
  await child.exited;
  if (said.startsWith(READY)) {
    const { message, reason }: ExecFailure = JSON.parse(said.slice(READY.length));
    throw new FleetError("CONFIG", `${message}: ${reason}`);
  }
  const how = child.signalCode ?? `code ${child.exitCode}`;
  throw new FleetError("FAILED", `Cannot start "${program}": the helper of fleetd ended before it (${how})`);
}
