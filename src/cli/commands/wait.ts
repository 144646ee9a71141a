import { strictCommand } from "../strict-command.ts";

/** `fleetd wait`. */
export const wait = strictCommand({
  meta: { name: "wait", description: "Block until a message arrives, and print it" },
  args: {
    thread: { type: "string", valueHint: "ID", description: "Only in this conversation" },
    from: { type: "string", valueHint: "ID", description: "Only from this server" },
    kind: {
      type: "enum",
      options: ["info", "request", "response", "warning", "error", "update"],
      description: "Only of this kind",
    },
    label: { type: "string", repeatable: true, valueHint: "K[=V]", description: "Only with this label" },
    unread: { type: "boolean", description: "An unread one that is here already will do" },
    timeout: {
      type: "string",
      default: "60s",
      valueHint: "TIME",
      description: "Give up after; exit code 75",
    },
  },
  examples: ["fleetd wait --from build1 --timeout 10m --json"],
  run: async ({ args }) => (await import("../actions/wait.ts")).wait(args),
});
