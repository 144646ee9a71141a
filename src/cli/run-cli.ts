import { runCommand } from "citty";
import { FleetError } from "../base/errors.ts";
import { Interruption, interruption } from "./command-signal.ts";
import { type CommandTable, type Found, findCommand } from "./command-table.ts";
import { wantsHelp, wantsJson } from "./global-flags.ts";
import { COMMANDS } from "./root.ts";
import type { StrictCommand } from "./strict-command.ts";
import { printVersion } from "./version.ts";

/**
 * Runs one command line, without the program's name, and returns the exit code. It prints every failure and never throws.
 * Answers are written synchronously (`console.log`), so the caller may end the process at once and nothing is lost.
 */
export async function runCli(argv: readonly string[], table: CommandTable = COMMANDS): Promise<number> {
  try {
    const exitCode = await dispatch(argv, table);
    return interruption()?.exitCode ?? exitCode;
  } catch (thrown) {
    return endFailed(thrown, argv);
  }
}

async function dispatch(argv: readonly string[], table: CommandTable): Promise<number> {
  if (printVersion(argv)) return 0;
  if (argv.length === 0) return print((await import("./help.ts")).renderShortHelp(table));
  if (argv[0] === "help") return showHelp(argv.slice(1), table);
  if (wantsHelp(argv)) return showHelp(argv, table);
  return run(await findCommand(table, argv));
}

async function run(found: Found | undefined): Promise<number> {
  if (found === undefined) {
    throw new FleetError("USAGE", "Missing command", {
      hint: 'Run "fleetd --help" for the commands there are',
    });
  }
  const { command, rest } = found;
  if (command.kind === "command") return runStrict(command, rest);
  const { meta, fallback, commands } = command;
  if (fallback !== undefined) return run(await findCommand(commands, [fallback, ...rest]));
  const hint = `One of: ${Object.keys(commands).join(", ")}`;
  throw new FleetError("USAGE", `Missing command after "${meta.name}"`, { hint });
}

async function runStrict(command: StrictCommand, rest: readonly string[]): Promise<number> {
  const { result } = await runCommand(command.definition, { rawArgs: [...rest] });
  return typeof result === "number" ? result : 0;
}

// Help ignores the rest of the line on purpose: whoever asks is in the middle of writing it.
async function showHelp(argv: readonly string[], table: CommandTable): Promise<number> {
  const help = await import("./help.ts");
  const isBuiltIn = argv[0] === "version" || argv[0] === "help";
  const found = isBuiltIn ? undefined : await findCommand(table, argv);
  if (found === undefined) return print(help.renderRootHelp(table));
  return print(
    found.command.kind === "group"
      ? help.renderGroupHelp(found.command)
      : help.renderCommandHelp(found.command),
  );
}

function print(text: string): number {
  console.log(text);
  return 0;
}

/**
 * Reports anything thrown and returns the exit code; also for what escaped every command, such as a rejection nobody
 * awaited. A command that was told to stop may end by throwing the reason, and then there is nothing to report.
 */
export async function endFailed(thrown: unknown, argv: readonly string[]): Promise<number> {
  const stopped = interruption()?.exitCode;
  if (stopped !== undefined && isFromInterruption(thrown)) return stopped;
  const { reportFailure } = await import("./report-failure.ts");
  const failed = reportFailure(thrown, { json: wantsJson(argv), debug: process.env["FLEETD_DEBUG"] === "1" });
  return stopped === undefined || stopped === 0 ? failed : stopped;
}

function isFromInterruption(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof Interruption || error.name === "AbortError") return true;
  }
  return false;
}
