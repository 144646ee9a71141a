import { strictCommand } from "../strict-command.ts";
import { SERVICE_NAMES } from "./wait-flags.ts";

const summary = "List services: what they do, what they use, how they ended";

/** `fleetd list`. */
export const list = strictCommand({
  meta: { name: "list", description: summary },
  args: { name: SERVICE_NAMES },
  examples: ["fleetd list", "fleetd list web --json"],
  run: async ({ args }) => (await import("../actions/services.ts")).list(args),
});

/** `fleetd ps`, what others call it. */
export const ps = strictCommand({
  meta: { name: "ps", description: summary },
  args: { name: SERVICE_NAMES },
  examples: ["fleetd ps"],
  run: async ({ args }) => (await import("../actions/services.ts")).list(args),
});
