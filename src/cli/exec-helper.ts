import { HELPER_VARIABLE, HELPER_WORD } from "../platform/supervision/exec-plan.ts";

/** Whether this process was started by a daemon of fleetd to become a service; nobody types both the word and the variable. */
export const isExecHelper = (argv: readonly string[]): boolean =>
  argv[0] === HELPER_WORD && argv.length === 1 && process.env[HELPER_VARIABLE] === "1";

/** Becomes the service; only comes back, with an exit code, when it could not. Windows has another use for it. */
export async function execHelper(): Promise<number> {
  if (process.platform === "win32") {
    const { runBreakHelper } = await import("../platform/supervision/windows-break.ts");
    return runBreakHelper();
  }
  const { runExecHelper } = await import("../platform/supervision/exec-helper.ts");
  return runExecHelper();
}
