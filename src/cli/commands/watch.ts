import { strictCommand } from "../strict-command.ts";

/** `fleetd watch`. */
export const watch = strictCommand({
  meta: { name: "watch", description: "Print messages as they arrive" },
  args: {
    from: { type: "string", valueHint: "ID", description: "Only from this server" },
    kind: {
      type: "enum",
      options: ["info", "request", "response", "warning", "error", "update"],
      description: "Only of this kind",
    },
    label: { type: "string", repeatable: true, valueHint: "K[=V]", description: "Only with this label" },
    since: {
      type: "string",
      valueHint: "TIME",
      description: "Begin with what came since 2h ago, or 2026-01-31",
    },
    thread: { type: "string", valueHint: "ID", description: "Only in this conversation" },
  },
  examples: ["fleetd watch", "fleetd watch --json | jq .message.subject"],
  run: async ({ args }) => (await import("../actions/watch.ts")).watch(args),
});
