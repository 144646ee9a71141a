import { strictCommand } from "../strict-command.ts";

/** `fleetd reexec`. */
export const reexec = strictCommand({
  meta: { name: "reexec", description: "Let the running monitor become the program that was installed" },
  args: {
    timeout: {
      type: "string",
      valueHint: "TIME",
      default: "60s",
      description: "How long to wait until it answers again",
    },
  },
  examples: ["mv fleetd.new /usr/local/bin/fleetd && fleetd reexec", "fleetd reexec --server build1 --json"],
  run: async ({ args }) => (await import("../actions/reexec.ts")).reexec(args),
});
