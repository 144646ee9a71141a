import { messageOf } from "../../base/errors.ts";
import type { ProbeAnswer } from "../../base/ports/prober.ts";
import type { InstanceWorld } from "../../fleet/supervisor/instance-world.ts";
import type { ProgramQuestion } from "./ask-program.ts";
import { surroundingsOf, wordsOf } from "./prepare-start.ts";

type Parts = Parameters<InstanceWorld["runStopCommand"]>;

/** Runs the stop command of a service where the service runs. Null, or in words what was wrong; never rejects. */
export async function runStopCommand(
  command: Parts[0],
  { definition, key, mainPid }: Parts[1],
  ask: (question: ProgramQuestion) => Promise<ProbeAnswer>,
): Promise<string | null> {
  try {
    const { cwd, environment } = await surroundingsOf(definition, key);
    const { isWell, detail } = await ask({
      definition,
      command: wordsOf(command),
      cwd,
      environment: { ...environment, MAINPID: String(mainPid) },
      timeoutMs: definition.stop.timeoutMs,
    });
    return isWell ? null : `the stop command of "${definition.name}" failed: ${detail}`;
  } catch (thrown) {
    // The signal that follows ends it all the same.
    return `the stop command of "${definition.name}" cannot be run: ${messageOf(thrown)}`;
  }
}
