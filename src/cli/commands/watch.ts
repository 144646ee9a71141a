import { strictCommand } from "../strict-command.ts";

/** `fleetd watch`. */
export const watch = strictCommand({
  meta: { name: "watch", description: "Print messages as they arrive" },
  args: {
    from: { type: "string", valueHint: "ID", description: "Only from this server" },
    thread: { type: "string", valueHint: "ID", description: "Only in this conversation" },
  },
  examples: ["fleetd watch", "fleetd watch --json | jq .message.subject"],
  run: async ({ args }) => (await import("../actions/watch.ts")).watch(args),
});
