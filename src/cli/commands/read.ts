import { strictCommand } from "../strict-command.ts";

/** `fleetd read`. */
export const read = strictCommand({
  meta: { name: "read", description: "Show one message and mark it as read" },
  args: {
    id: { type: "positional", description: "Message id; its last characters are enough" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd read 4f2a91c0"],
  run: async ({ args }) => (await import("../actions/read.ts")).read(args),
});
