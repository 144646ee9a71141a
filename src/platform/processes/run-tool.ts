import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import { PS_ENVIRONMENT } from "./ps-output.ts";

/** Such tools answer at once; one that waits for a dead file server does not. Chosen, not measured. */
const TIMEOUT_MS = 10_000;

/** What a tool of the system prints, whatever its exit code: several say 1 when they found nothing. @throws FleetError FAILED */
export async function runTool(words: readonly string[]): Promise<string> {
  const [name = ""] = words;
  let child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  try {
    child = Bun.spawn([...words], {
      env: PS_ENVIRONMENT,
      stdio: ["ignore", "pipe", "ignore"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
  } catch (thrown) {
    throw causedBy("FAILED", `Cannot run "${name}": ${messageOf(thrown)}`, thrown);
  }
  const text = await new Response(child.stdout).text();
  await child.exited;
  if (child.signalCode === null) return text;
  throw new FleetError("FAILED", `Cannot run "${name}": no end within ${TIMEOUT_MS / 1000} s`);
}
