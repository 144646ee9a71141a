import { strictCommand } from "../strict-command.ts";

/** `fleetd quickstart`. */
export const quickstart = strictCommand({
  meta: {
    name: "quickstart",
    description: "See a whole fleet at work here, without configuration",
  },
  args: {
    keep: { type: "boolean", description: "Leave the fleet running, and say how to go on" },
  },
  examples: ["fleetd quickstart", "fleetd quickstart --keep"],
  run: async ({ args }) => (await import("../actions/quickstart.ts")).quickstart(args),
});
