import { join } from "node:path";
import { FleetError } from "../../base/errors.ts";
import { exists } from "../files.ts";
import { systemGitEnvironment } from "./git-environment.ts";
import { runGit } from "./git-process.ts";

/** The URL of the remote `origin` of a clone, without touching its work tree. @throws FleetError BAD_INPUT */
export async function originOf(clone: string): Promise<string> {
  if (!exists(clone)) throw new FleetError("BAD_INPUT", `Cannot use "${clone}": there is no such folder`);
  const outcome = await runGit({
    args: ["config", "--get", "remote.origin.url"],
    folder: exists(join(clone, ".git")) ? join(clone, ".git") : clone,
    environment: systemGitEnvironment(),
    stdoutBytesMax: 64 * 1024,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  const url = new TextDecoder().decode(outcome.stdout).trim();
  if (outcome.exitCode === 0 && url !== "") return url;
  throw new FleetError("BAD_INPUT", `Cannot use "${clone}": need a clone with a remote "origin"`);
}
