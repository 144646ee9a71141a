#!/usr/bin/env bun
import { execHelper, isExecHelper } from "./cli/exec-helper.ts";
import { printVersion } from "./cli/version.ts";

// The door. A process that becomes a service, and the version, are answered before anything else is loaded; everything
// else is behind one lazy import.
// `process.exit` loses nothing: what was printed is already written, and no forgotten handle keeps the process alive.
const argv = process.argv.slice(2);
if (isExecHelper(argv)) {
  process.exit(await execHelper());
} else if (!printVersion(argv)) {
  const { endFailed, runCli } = await import("./cli/run-cli.ts");
  const end = async (thrown: unknown): Promise<void> => process.exit(await endFailed(thrown, argv));
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
  process.exit(await runCli(argv));
}
