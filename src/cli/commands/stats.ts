import { strictCommand } from "../strict-command.ts";
import { SERVICE_NAMES } from "./wait-flags.ts";

/** `fleetd stats`. */
export const stats = strictCommand({
  meta: { name: "stats", description: "What services use: processors, memory, processes, with trends" },
  args: { name: SERVICE_NAMES },
  examples: ["fleetd stats", "fleetd stats web --json | jq .metrics"],
  run: async ({ args }) => (await import("../actions/services.ts")).stats(args),
});
