import { strictCommand } from "../strict-command.ts";

/** `fleetd sent`. */
export const sent = strictCommand({
  meta: { name: "sent", description: "List what this server sent, and how far each message got" },
  args: {
    to: { type: "string", valueHint: "ID", description: "Only to this server, all, or @group" },
    kind: {
      type: "enum",
      options: ["info", "request", "response", "warning", "error", "update"],
      description: "Only of this kind",
    },
    since: {
      type: "string",
      valueHint: "TIME",
      description: "Only what was written since 2h ago, or 2026-01-31",
    },
    label: { type: "string", repeatable: true, valueHint: "K[=V]", description: "Only with this label" },
    id: {
      type: "positional",
      required: false,
      description: "One message, with what became of it at each recipient",
    },
    limit: { type: "string", default: "20", valueHint: "N", description: "At most so many" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd sent", "fleetd sent 5f2c91ab", "fleetd sent --json"],
  run: async ({ args }) => (await import("../actions/sent.ts")).sent(args),
});
