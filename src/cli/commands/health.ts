import { strictCommand } from "../strict-command.ts";

/** `fleetd health`. */
export const health = strictCommand({
  meta: { name: "health", description: "Judge disk, memory, store, remote, queue and clock" },
  examples: ["fleetd health", "fleetd health --json"],
  run: async ({ args }) => (await import("../actions/health.ts")).health(args),
});
