import { strictCommand } from "../strict-command.ts";

/** `fleetd compact`. */
export const compact = strictCommand({
  meta: { name: "compact", description: "Shorten this server's log on the remote by what all have read" },
  args: {
    "dry-run": { type: "boolean", description: "Only say what would go" },
  },
  examples: ["fleetd compact --dry-run", "fleetd compact --json"],
  run: async ({ args }) => (await import("../actions/compact.ts")).compactLog(args),
});
