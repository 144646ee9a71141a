import { strictCommand } from "../strict-command.ts";

/** `fleetd status`. */
export const status = strictCommand({
  meta: { name: "status", description: "One page about this server and its fleet" },
  args: {
    check: { type: "boolean", description: "Exit 0 ok, 1 to be looked at, 2 critical, 3 cannot tell" },
    watch: { type: "boolean", alias: "w", description: "Show it again whenever something changes" },
  },
  examples: ["fleetd status", "fleetd status --watch", "fleetd status --check"],
  run: async ({ args }) => (await import("../actions/status.ts")).status(args),
});
