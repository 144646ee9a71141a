import { strictCommand } from "../strict-command.ts";

/** `fleetd logs`. */
export const logs = strictCommand({
  meta: { name: "logs", description: "Show the log of services, or the monitor's own, newest lines last" },
  args: {
    name: {
      type: "positional",
      required: false,
      repeatable: true,
      description: "Service, or one instance of it (web:2); without one the monitor's own log",
    },
    follow: { type: "boolean", alias: "f", description: "Go on with every line as it is written" },
    level: { type: "string", valueHint: "LEVEL", description: "Only this level and what is more urgent" },
    since: { type: "string", valueHint: "TIME", description: "Only lines younger than this, such as 2h" },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "N",
      description: "At most N lines; default 200, all with --since",
    },
  },
  examples: [
    "fleetd logs web --follow",
    "fleetd logs --follow --level warning",
    "fleetd logs --since 2h --json | jq .message",
  ],
  run: async ({ args }) => (await import("../actions/logs.ts")).logs(args),
});
