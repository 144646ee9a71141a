import { strictCommand } from "../strict-command.ts";

/** `fleetd reply`. */
export const reply = strictCommand({
  meta: { name: "reply", description: "Answer a message, to its sender and in its conversation" },
  args: {
    id: { type: "positional", description: "Message id; its last characters are enough" },
    body: { type: "positional", required: false, description: "Text; - or a pipe reads standard input" },
    file: { type: "string", valueHint: "PATH", description: "Take the text from a file" },
    offline: { type: "boolean", description: "Show what is here without looking at the remote" },
  },
  examples: ['fleetd reply 4f2a91c0 "Done, all green"'],
  run: async ({ args }) => (await import("../actions/reply.ts")).reply(args),
});
