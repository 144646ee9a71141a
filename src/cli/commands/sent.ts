import { strictCommand } from "../strict-command.ts";

/** `fleetd sent`. */
export const sent = strictCommand({
  meta: { name: "sent", description: "List what this server sent, and how far each message got" },
  args: {
    limit: { type: "string", default: "20", valueHint: "N", description: "At most so many" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd sent", "fleetd sent --json"],
  run: async ({ args }) => (await import("../actions/sent.ts")).sent(args),
});
