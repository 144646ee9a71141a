import { strictCommand } from "../strict-command.ts";
import { WAIT_FLAGS } from "./wait-flags.ts";

/** `fleetd start`. */
export const start = strictCommand({
  meta: { name: "start", description: "Start services, a program, or what a file defines" },
  args: {
    what: {
      type: "positional",
      required: false,
      repeatable: true,
      description: "Services or groups, a program's file, a file with services:, or with --name a command",
    },
    name: { type: "string", valueHint: "NAME", description: "Name of the new service that runs the command" },
    cwd: { type: "string", valueHint: "FOLDER", description: "Where it runs; here without it" },
    env: { type: "string", repeatable: true, valueHint: "K=V", description: "A variable for it" },
    "env-file": { type: "string", repeatable: true, valueHint: "FILE", description: "A file of variables" },
    instances: { type: "string", valueHint: "N", description: "How many of it run" },
    restart: {
      type: "enum",
      options: ["no", "on-failure", "always", "unless-stopped"],
      description: "When it is started again; on-failure without it",
    },
    user: { type: "string", valueHint: "USER", description: "Whom it runs as" },
    group: { type: "string", valueHint: "GROUP", description: "Which group it runs in" },
    memory: { type: "string", valueHint: "SIZE", description: "More than this ends it, such as 512MiB" },
    watch: { type: "boolean", description: "Start it anew when a file in its folder changes" },
    replace: {
      type: "boolean",
      description: "Define anew what was defined by command before, and start it anew if it runs",
    },
    ...WAIT_FLAGS,
  },
  examples: ["fleetd start", "fleetd start web db", "fleetd start --name web -- node server.js --port 8080"],
  run: async ({ args }) => (await import("../actions/start.ts")).start(args),
});
