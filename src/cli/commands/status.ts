import { strictCommand } from "../strict-command.ts";

/** `fleetd status`. */
export const status = strictCommand({
  meta: { name: "status", description: "One page about this server and its fleet" },
  args: {
    name: {
      type: "positional",
      required: false,
      repeatable: true,
      description: "Services, instances (web:2) or groups, in detail; without one the page",
    },
    check: { type: "boolean", description: "Exit 0 ok, 1 to be looked at, 2 critical, 3 cannot tell" },
    watch: { type: "boolean", alias: "w", description: "Show it again whenever something changes" },
  },
  examples: ["fleetd status", "fleetd status --watch", "fleetd status --check", "fleetd status web"],
  run: async ({ args }) =>
    args.name.length === 0
      ? (await import("../actions/status.ts")).status(args)
      : (await import("../actions/service-status.ts")).serviceStatus(args),
});
