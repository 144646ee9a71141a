import { strictCommand } from "../strict-command.ts";

/** `fleetd ack`. */
export const ack = strictCommand({
  meta: { name: "ack", description: "Acknowledge a message; its sender sees that" },
  args: {
    id: { type: "positional", description: "Message id; its last characters are enough" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd ack 4f2a91c0"],
  run: async ({ args }) => (await import("../actions/ack.ts")).ack(args),
});
