import { strictCommand } from "../strict-command.ts";

/** `fleetd metrics`. */
export const metrics = strictCommand({
  meta: { name: "metrics", description: "What the monitor did lately: operations, counters, errors" },
  args: {
    hours: { type: "string", valueHint: "N", default: "24", description: "Count within the last N hours" },
  },
  examples: ["fleetd metrics", "fleetd metrics --hours 1 --json | jq .operations"],
  run: async ({ args }) => (await import("../actions/metrics.ts")).metrics(args),
});
