import { FleetError } from "../../base/errors.ts";
import { runGit } from "./git-process.ts";

/** The oldest git that fleetd works with, as [major, minor]. */
const OLDEST_GIT = [2, 25] as const;

/**
 * The version of the git on the PATH, such as "2.39.5".
 * @throws FleetError UNAVAILABLE when there is none, it does not answer within 10 s, or it is older than 2.25
 */
export async function probeGit(environment: Record<string, string>): Promise<string> {
  const outcome = await runGit({
    args: ["version"],
    folder: process.cwd(),
    environment,
    stdoutBytesMax: 4096,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  const text = new TextDecoder().decode(outcome.stdout).trim();
  const match = /^git version (\d+)\.(\d+)(\.\d+)?/.exec(text);
  if (match === null) {
    throw new FleetError("UNAVAILABLE", `Cannot use git: "git version" answered "${text.slice(0, 100)}"`, {
      hint: "Install git 2.25 or newer",
    });
  }
  const version = `${match[1]}.${match[2]}${match[3] ?? ""}`;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < OLDEST_GIT[0] || (major === OLDEST_GIT[0] && minor < OLDEST_GIT[1])) {
    throw new FleetError("UNAVAILABLE", `Cannot use git ${version}: 2.25 or newer is needed`, {
      hint: "Install git 2.25 or newer",
    });
  }
  return version;
}
