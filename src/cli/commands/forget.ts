import { strictCommand } from "../strict-command.ts";
import { WAIT_FLAGS } from "./wait-flags.ts";

/** `fleetd forget`. */
export const forget = strictCommand({
  meta: { name: "forget", description: "Stop services that were defined by command, and forget them" },
  args: {
    name: { type: "positional", repeatable: true, description: "Services" },
    ...WAIT_FLAGS,
  },
  examples: ["fleetd forget web"],
  run: async ({ args }) => (await import("../actions/services.ts")).forget(args),
});
