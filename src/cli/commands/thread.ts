import { strictCommand } from "../strict-command.ts";

/** `fleetd thread`. */
export const thread = strictCommand({
  meta: { name: "thread", description: "Show a whole conversation" },
  args: {
    id: { type: "positional", description: "Message id; its last characters are enough" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd thread 4f2a91c0"],
  run: async ({ args }) => (await import("../actions/thread.ts")).thread(args),
});
