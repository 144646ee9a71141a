import { strictCommand } from "../strict-command.ts";

/** `fleetd monitor`. */
export const monitor = strictCommand({
  meta: { name: "monitor", description: "Run this server's daemon in the foreground" },
  args: {
    remote: { type: "string", valueHint: "URL", description: "Remote for a server that is made now" },
    repo: { type: "string", valueHint: "PATH", description: "The same: the origin of this clone" },
    interval: {
      type: "string",
      valueHint: "TIME",
      description: "How often to look at the remote; default 10s",
    },
    "auto-reply": {
      type: "boolean",
      optional: true,
      description: "Answer automatically, or --no-auto-reply",
    },
  },
  examples: ["fleetd monitor", "fleetd monitor --server build1 --interval 30s"],
  run: async ({ args }) => (await import("../actions/monitor.ts")).monitor(args),
});
