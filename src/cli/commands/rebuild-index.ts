import { strictCommand } from "../strict-command.ts";

/** `fleetd rebuild-index`. */
export const rebuildIndex = strictCommand({
  meta: { name: "rebuild-index", description: "Make the message index anew from the object store" },
  examples: ["fleetd rebuild-index"],
  run: async ({ args }) => (await import("../actions/rebuild-index.ts")).rebuild(args),
});
