import { execFile } from "node:child_process";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import { PS_ENVIRONMENT } from "./ps-output.ts";

/** Such tools answer at once; one that waits for a dead file server does not. Chosen, not measured. */
const TIMEOUT_MS = 10_000;
/** A line per process or socket: far above what a machine has. Chosen. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * What a tool of the system prints, whatever its exit code: several say 1 when they found nothing. Runs in Bun and in
 * Node, as the library does. @throws FleetError FAILED
 */
export function runTool(words: readonly string[]): Promise<string> {
  const [name = "", ...rest] = words;
  const options = {
    env: PS_ENVIRONMENT,
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_BYTES_MAX,
  } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(name, rest, options, (error, text) => {
      if (error === null || (typeof error.code === "number" && error.signal !== "SIGKILL")) resolve(text);
      else if (error.killed === true || error.signal === "SIGKILL") reject(tooSlow(name));
      else reject(causedBy("FAILED", `Cannot run "${name}": ${messageOf(error)}`, error));
    });
    child.stdin?.end();
  });
}

const tooSlow = (name: string): FleetError =>
  new FleetError("FAILED", `Cannot run "${name}": no end within ${TIMEOUT_MS / 1000} s`);
