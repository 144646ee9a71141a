import { strictCommand } from "../strict-command.ts";

/** `fleetd kill`. */
export const kill = strictCommand({
  meta: { name: "kill", description: "End one process, and make sure that it is gone" },
  args: {
    pid: { type: "string", required: true, valueHint: "PID", description: "Its id" },
    force: { type: "boolean", description: "Also what fleetd did not start" },
    timeout: {
      type: "string",
      default: "10s",
      valueHint: "TIME",
      description: "How long it may take before it is killed",
    },
    "dry-run": { type: "boolean", description: "Only say what would be done" },
  },
  examples: ["fleetd kill --pid 4242", "fleetd kill --pid 4242 --force --timeout 2s --json"],
  run: async ({ args }) => (await import("../actions/kill.ts")).kill(args),
});
