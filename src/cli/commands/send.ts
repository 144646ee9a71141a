import { strictCommand } from "../strict-command.ts";

/** `fleetd send`. */
export const send = strictCommand({
  meta: { name: "send", description: "Send a message to one server or to the whole fleet" },
  args: {
    body: { type: "positional", required: false, description: "Text; - or a pipe reads standard input" },
    subject: { type: "positional", required: false, description: "One line; default: how the text begins" },
    to: { type: "string", default: "all", valueHint: "ID[,ID]", description: "Server ids, all, or @group" },
    kind: {
      type: "enum",
      default: "info",
      options: ["info", "request", "response", "warning", "error", "update"],
      description: "What kind of message it is",
    },
    priority: {
      type: "enum",
      default: "normal",
      options: ["low", "normal", "high", "critical"],
      description: "How urgent it is",
    },
    thread: { type: "string", valueHint: "ID", description: "Conversation it belongs to" },
    "reply-to": { type: "string", valueHint: "ID", description: "Message it answers" },
    "require-ack": { type: "boolean", description: "Ask the recipients to acknowledge it" },
    expires: { type: "string", valueHint: "TIME", description: "Of no use after this time, such as 2h" },
    label: { type: "string", repeatable: true, valueHint: "K=V", description: "Label; may be repeated" },
    "idempotency-key": {
      type: "string",
      valueHint: "KEY",
      description: "Sent twice with one key: one message",
    },
    file: { type: "string", valueHint: "PATH", description: "Take the text from a file" },
    wait: {
      type: "enum",
      default: "pushed",
      options: ["queued", "pushed", "seen", "read", "replied"],
      description: "How far it has to get",
    },
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "How long to wait; default 10s for pushed, else 60s",
    },
  },
  examples: [
    'fleetd send "Status report please" "Hello" --to code2 --wait replied',
    'fleetd send "Deploying 4.2 now" --to all --kind warning --priority high',
    'git log -3 | fleetd send - "What changed" --to code2,build1',
  ],
  run: async ({ args }) => (await import("../actions/quick-send.ts")).send(args),
});
