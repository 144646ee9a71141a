#!/usr/bin/env bun
import { printVersion } from "./cli/version.ts";

// The door. A process that becomes a service, and the version, are answered before anything else is loaded; everything
// else is behind one lazy import.
// `process.exit` loses nothing: what was printed is already written, and no forgotten handle keeps the process alive.
const argv = process.argv.slice(2);
const helper = argv[0] === "__exec" ? await import("./cli/exec-helper.ts") : null;
if (helper?.isExecHelper(argv) === true) {
  process.exit(await helper.execHelper());
} else if (!printVersion(argv)) {
  const { endFailed, runCli } = await import("./cli/run-cli.ts");
  const end = async (thrown: unknown): Promise<void> => process.exit(await endFailed(thrown, argv));
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
  process.exit(await runCli(argv));
}
