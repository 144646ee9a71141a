import { join } from "node:path";
import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/errors.ts";
import type { ProbeAnswer } from "../../base/ports/prober.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { ServiceDefinition } from "../../fleet/supervisor/model.ts";
import { readFileUpTo, removeTree } from "../../platform/files.ts";
import { systemProber } from "../../platform/prober/prober.ts";
import type { Surroundings } from "./prepare-start.ts";

/** How long what is killed may take to go. */
const KILL_WITHIN_MS = 5_000;
const OUTPUT_BYTES_MAX = 4 * 1024;
const DETAIL_LENGTH_MAX = 300;

/** A program that is run for a service, as the service itself would be. */
export interface ProgramQuestion extends Omit<Surroundings, "notes"> {
  readonly definition: Pick<ServiceDefinition, "name" | "user" | "group">;
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

/**
 * Runs a program of a service: a probe, or its stop command. 0 is well. Never rejects, and leaves nothing running.
 * `folder`: where what it writes may stand for that long.
 */
export async function askProgram(
  host: ProcessHost,
  folder: string,
  question: ProgramQuestion,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const { definition, command, cwd, environment, timeoutMs } = question;
  if (definition.user === null && definition.group === null) {
    return await systemProber.ask({ kind: "exec", command, cwd, environment }, timeoutMs, signal);
  }
  const run = crypto.randomUUID();
  const output = join(folder, `asked-${run}`);
  try {
    return await askAsUser(host, { ...question, run, output }, signal);
  } catch (thrown) {
    return { isWell: false, detail: messageOf(thrown) };
  } finally {
    removeTree(output);
  }
}

/** Only the host can start something as somebody else. */
async function askAsUser(
  host: ProcessHost,
  question: ProgramQuestion & { readonly run: string; readonly output: string },
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const { definition, command, cwd, environment, timeoutMs, run, output } = question;
  const enough = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const request = {
    command,
    cwd,
    environment,
    run,
    output,
    user: definition.user,
    group: definition.group,
    name: `${definition.name}.asked.${run.slice(0, 8)}`,
    limits: { memoryBytes: null, cpus: null, pids: null },
    listeners: [],
  };
  const { tree, exited } = await host.spawn(request, enough);
  const late = new Promise<null>((resolve) =>
    enough.addEventListener("abort", () => resolve(null), { once: true }),
  );
  const exit = await Promise.race([exited, late]);
  await host.kill(tree, KILL_WITHIN_MS);
  host.forget(tree);
  if (exit === null) return { isWell: false, detail: `no answer within ${formatDuration(timeoutMs)}` };
  const said = new TextDecoder()
    .decode(readFileUpTo(output, OUTPUT_BYTES_MAX))
    .trim()
    .slice(0, DETAIL_LENGTH_MAX);
  const how =
    exit.kind === "code" ? `exit code ${exit.code}` : exit.kind === "signal" ? exit.signal : "end unknown";
  return { isWell: exit.kind === "code" && exit.code === 0, detail: said === "" ? how : `${how}: ${said}` };
}
