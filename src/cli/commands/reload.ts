import { strictCommand } from "../strict-command.ts";

/** `fleetd reload`. */
export const reload = strictCommand({
  meta: { name: "reload", description: "Let the running monitor read its configuration again" },
  examples: ["fleetd reload", "fleetd reload --server build1 --json"],
  run: async ({ args }) => (await import("../actions/reload.ts")).reload(args),
});
