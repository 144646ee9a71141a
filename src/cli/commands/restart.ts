import { strictCommand } from "../strict-command.ts";
import { SERVICE_NAMES, WAIT_FLAGS } from "./wait-flags.ts";

/** `fleetd restart`. */
export const restart = strictCommand({
  meta: { name: "restart", description: "Start services anew, also without a gap" },
  args: {
    name: { ...SERVICE_NAMES, description: "Services, instances (web:2) or groups" },
    all: { type: "boolean", description: "All services of this machine" },
    "zero-downtime": {
      type: "boolean",
      description: "The new one starts beside the old one, which goes when the new one is ready",
    },
    ...WAIT_FLAGS,
  },
  examples: ["fleetd restart web", "fleetd restart web --zero-downtime"],
  run: async ({ args }) => (await import("../actions/services.ts")).restart(args),
});
