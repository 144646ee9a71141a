import { strictCommand } from "../strict-command.ts";

/** `fleetd groups`. */
export const groups = strictCommand({
  meta: { name: "groups", description: "The groups of the fleet and who is in them" },
  args: { offline: { type: "boolean", description: "Show what is here without looking at the remote" } },
  examples: ["fleetd groups", 'fleetd send "Restarting" --to @db'],
  run: async ({ args }) => (await import("../actions/servers.ts")).groups(args),
});
