import { strictCommand } from "../strict-command.ts";

/** `fleetd kill`. */
export const kill = strictCommand({
  meta: { name: "kill", description: "Send a signal to services, or end one process for sure" },
  args: {
    name: {
      type: "positional",
      required: false,
      repeatable: true,
      description: "Services: everything of them gets the signal, and what follows is their policy's",
    },
    signal: {
      type: "string",
      default: "KILL",
      alias: "s",
      valueHint: "SIGNAL",
      description: "For services: a name or a number",
    },
    pid: { type: "string", valueHint: "PID", description: "A process by its id" },
    force: { type: "boolean", description: "Also what fleetd did not start" },
    timeout: {
      type: "string",
      default: "10s",
      valueHint: "TIME",
      description: "How long it may take before it is killed",
    },
    "dry-run": { type: "boolean", description: "Only say what would be done" },
  },
  examples: [
    "fleetd kill web --signal HUP",
    "fleetd kill web --dry-run",
    "fleetd kill --pid 4242",
    "fleetd kill --pid 4242 --force --timeout 2s --json",
  ],
  run: async ({ args }) => (await import("../actions/kill.ts")).kill(args),
});
