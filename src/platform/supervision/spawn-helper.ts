import { closeSync, fchownSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import type { SpawnRequest } from "../../base/ports/process-host.ts";
import { findAccount } from "./accounts.ts";
import { type ExecFailure, type ExecPlan, HELPER_VARIABLE, HELPER_WORD } from "./exec-plan.ts";
import { RUN_VARIABLE } from "./linux-tree.ts";
import { openOutput, spawnError } from "./spawn-checks.ts";

/** Whether something has to be done between the start of the process and that of the program. */
export const needsHelper = (request: SpawnRequest): boolean =>
  request.user !== null || request.group !== null || request.listeners.length > 0;

/** What the start shares with those that need no helper. */
export interface HelperPlace {
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly helper: readonly string[];
  readonly into: { readonly cgroup?: string };
  readonly marked: <T>(work: () => T) => T;
  readonly enforcesPids: boolean;
}

/** How long the helper may take; on a machine that swaps a start takes seconds. Chosen, not measured. */
const HELPER_MS = 30_000;

/** Starts a program through the helper of `exec-plan.ts`. @throws FleetError with what the helper said */
export async function spawnThroughHelper(request: SpawnRequest, place: HelperPlace): Promise<Bun.Subprocess> {
  const account = await findAccount(request.user, request.group);
  const plan: ExecPlan = {
    program: place.program,
    words: request.command,
    cwd: request.cwd,
    environment: place.environment,
    account,
    listeners: request.listeners.length,
    processesMax: place.enforcesPids || (account?.uid ?? 0) === 0 ? null : request.limits.pids,
  };
  const output = openOutput(request.output);
  try {
    // A program that opens /dev/stdout by name needs a right to the file itself.
    if (account !== null && account.uid !== null) fchownSync(output, account.uid, account.gid);
    const child = start(request, plan, { ...place, output });
    return await untilExec(child, place.program);
  } finally {
    closeSync(output);
  }
}

function start(
  request: SpawnRequest,
  plan: ExecPlan,
  place: HelperPlace & { readonly output: number },
): Bun.Subprocess<Uint8Array, "pipe"> {
  const stdin = new TextEncoder().encode(JSON.stringify(plan));
  const options = {
    cwd: "/",
    // The program's own variables could have a say in what the helper loads, and it may still be root.
    env: { [HELPER_VARIABLE]: "1", [RUN_VARIABLE]: request.run },
    detached: true,
    ...place.into,
  };
  try {
    return place.marked(() =>
      Bun.spawn([...place.helper, HELPER_WORD], {
        ...options,
        stdio: [stdin, "pipe", place.output, ...request.listeners],
      }),
    );
  } catch (thrown) {
    throw spawnError(place.program, thrown);
  }
}

/** The pipe ends when the helper has become the program; what it says before is why it could not. */
async function untilExec(
  child: Bun.Subprocess<Uint8Array, "pipe">,
  program: string,
): Promise<Bun.Subprocess> {
  const timer = setTimeout(() => child.kill("SIGKILL"), HELPER_MS);
  const said = await child.stdout.text();
  clearTimeout(timer);
  if (said === "" && !child.killed) return child;
  child.kill("SIGKILL");
  await child.exited;
  throw failureOf(said, program);
}

function failureOf(said: string, program: string): FleetError {
  if (said === "") {
    return new FleetError(
      "FAILED",
      `Cannot start "${program}": the helper was not ready within ${HELPER_MS} ms`,
    );
  }
  try {
    const { message, reason }: ExecFailure = JSON.parse(said);
    return new FleetError("CONFIG", `${message}: ${reason}`);
  } catch (thrown) {
    return causedBy("FAILED", `Cannot start "${program}": the helper failed (${messageOf(thrown)})`, thrown);
  }
}
