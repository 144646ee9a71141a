import { strictCommand } from "../strict-command.ts";
import { SERVICE_NAMES, WAIT_FLAGS } from "./wait-flags.ts";

/** `fleetd stop`. */
export const stop = strictCommand({
  meta: { name: "stop", description: "Stop services and everything that came of them" },
  args: {
    name: { ...SERVICE_NAMES, description: "Services, instances (web:2) or groups" },
    all: { type: "boolean", description: "All services of this machine" },
    now: { type: "boolean", description: "Without the stop command and the signal: killed at once" },
    ...WAIT_FLAGS,
  },
  examples: ["fleetd stop web", "fleetd stop --all --timeout 5m"],
  run: async ({ args }) => (await import("../actions/services.ts")).stop(args),
});
