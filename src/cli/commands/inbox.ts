import { strictCommand } from "../strict-command.ts";

/** `fleetd inbox`. */
export const inbox = strictCommand({
  meta: { name: "inbox", description: "List messages to this server, urgent and new ones first" },
  args: {
    unread: { type: "boolean", description: "Only what nobody has read here" },
    from: { type: "string", valueHint: "ID", description: "Only from this server" },
    kind: {
      type: "enum",
      options: ["info", "request", "response", "warning", "error", "update"],
      description: "Only of this kind",
    },
    since: { type: "string", valueHint: "TIME", description: "Only what came since 2h ago, or 2026-01-31" },
    label: { type: "string", repeatable: true, valueHint: "K[=V]", description: "Only with this label" },
    limit: { type: "string", default: "20", valueHint: "N", description: "At most so many" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ["fleetd inbox --unread", "fleetd inbox --from build1 --since 1d --json"],
  run: async ({ args }) => (await import("../actions/inbox.ts")).inbox(args),
});
