import { strictCommand } from "../strict-command.ts";

/** `fleetd network`. */
export const network = strictCommand({
  meta: { name: "network", description: "Check the way to the remote, step by step, with times" },
  examples: ["fleetd network", "fleetd network --json"],
  run: async ({ args }) => (await import("../actions/network.ts")).network(args),
});
